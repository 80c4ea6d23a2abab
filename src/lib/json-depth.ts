/** Brackets within each other that a JSON text of a client may have; recursive readers rely on it. */
export const JSON_DEPTH_MAX = 256

/**
 * Whether a JSON text nests more than `depthMax` brackets, without parsing it: whatever reads the value
 * afterwards may recurse. Of a text that is no JSON the answer means nothing.
 */
export function nestsDeeperThan(text: string, depthMax: number): boolean {
	if (!hasMoreBrackets(text, depthMax)) return false
	let depth = 0
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case QUOTE:
				at = endOfString(text, at)
				break
			case ARRAY_OPEN:
			case OBJECT_OPEN:
				if (++depth > depthMax) return true
				break
			case ARRAY_CLOSE:
			case OBJECT_CLOSE:
				depth--
				break
		}
	}
	return false
}

/** Names of members, and commas between values, that a JSON text may have. */
export interface JsonCounts {
	readonly names: number
	readonly commas: number
}

/**
 * Whether a JSON text has more names or commas than it may, without parsing it: each costs the parser
 * time and memory, of which a text of the same length with long strings takes little.
 */
export function hasMoreThan(text: string, { names, commas }: JsonCounts): boolean {
	if (text.length <= Math.min(names, commas)) return false

	let nameCount = 0
	let commaCount = 0
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case QUOTE:
				at = endOfString(text, at)
				break
			case COLON:
				if (++nameCount > names) return true
				break
			case COMMA:
				if (++commaCount > commas) return true
				break
		}
	}
	return false
}

const COLON = 0x3a
const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c
const ARRAY_OPEN = 0x5b
const ARRAY_CLOSE = 0x5d
const OBJECT_OPEN = 0x7b
const OBJECT_CLOSE = 0x7d

/** Most bodies have few brackets, which is quicker to find out than how they nest. */
function hasMoreBrackets(text: string, countMax: number): boolean {
	let count = 0
	for (const bracket of '[{') {
		for (let at = text.indexOf(bracket); at >= 0; at = text.indexOf(bracket, at + 1)) {
			if (++count > countMax) return true
		}
	}
	return false
}

/** Place of the quotation mark that ends the string which starts at `start`; the text's end without one. */
function endOfString(text: string, start: number): number {
	for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
		let backslashes = 0
		while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++
		if (backslashes % 2 === 0) return end
	}
	return text.length
}
