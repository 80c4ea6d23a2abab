/** What is found out of a JSON text without parsing it. Of a text that is no JSON the answers mean nothing. */
import { finish, type Steps } from './steps.ts'

/** Brackets within each other that a JSON text of a client may have; recursive readers rely on it. */
export const JSON_DEPTH_MAX = 256

/** Characters, or ends of strings, that are looked at in one step. */
const CHARACTERS_PER_STEP = 2 ** 16

/** Whether a JSON text nests more than `depthMax` brackets: whatever reads the value afterwards may recurse. */
export function nestsDeeperThan(text: string, depthMax: number): boolean {
	return finish(nesting(text, depthMax))
}

/** The same in steps. */
export function* nesting(text: string, depthMax: number): Steps<boolean> {
	if (!(yield* hasMoreOf('[{', text, depthMax))) return false
	let depth = 0
	let nextStep = CHARACTERS_PER_STEP
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case QUOTE:
				at = yield* endOfString(text, at)
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
		if (at < nextStep) continue
		yield
		nextStep = at + CHARACTERS_PER_STEP
	}
	return false
}

/** What a JSON text may have of what costs the parser time and memory. */
export interface JsonCounts {
	/** Names of members. */
	readonly names: number
	/** Commas between values. */
	readonly commas: number
	/** Backslashes, of which most begin an escape. */
	readonly backslashes: number
}

/**
 * Whether a JSON text has more than it may: a text of the same length with long plain strings takes the
 * parser little.
 */
export function* hasMoreThan(text: string, most: JsonCounts): Steps<boolean> {
	const { names, commas, backslashes } = most
	if (text.length <= Math.min(names, commas, backslashes)) return false
	if (yield* hasMoreOf('\\', text, backslashes)) return true

	let nameCount = 0
	let commaCount = 0
	let nextStep = CHARACTERS_PER_STEP
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case QUOTE:
				at = yield* endOfString(text, at)
				break
			case COLON:
				if (++nameCount > names) return true
				break
			case COMMA:
				if (++commaCount > commas) return true
				break
		}
		if (at < nextStep) continue
		yield
		nextStep = at + CHARACTERS_PER_STEP
	}
	return false
}

/** How a member of the outermost object is written; of several of one name the last one counts. */
export function* memberText(text: string, name: string): Steps<string | undefined> {
	let depth = 0
	let start = -1
	let found: string | undefined
	let nextStep = CHARACTERS_PER_STEP
	for (let at = 0; at < text.length; at++) {
		switch (text.charCodeAt(at)) {
			case QUOTE: {
				const end = yield* endOfString(text, at)
				const isName = depth === 1 && start < 0 && hasColonAfter(text, end)
				if (isName && isText(text.slice(at, end + 1), name)) start = text.indexOf(':', end) + 1
				at = end
				break
			}
			case ARRAY_OPEN:
			case OBJECT_OPEN:
				depth++
				break
			case ARRAY_CLOSE:
			case OBJECT_CLOSE:
			case COMMA: {
				const isEnd = depth === 1 && start >= 0
				if (isEnd) found = text.slice(start, at).trim()
				if (isEnd) start = -1
				if (text.charCodeAt(at) !== COMMA) depth--
				break
			}
		}
		if (at < nextStep) continue
		yield
		nextStep = at + CHARACTERS_PER_STEP
	}
	return found
}

/** Six characters of an escape can stand for one of a name. */
function isText(literal: string, text: string): boolean {
	return literal.length <= 2 + 6 * text.length && JSON.parse(literal) === text
}

function hasColonAfter(text: string, end: number): boolean {
	let at = end + 1
	while (' \t\n\r'.includes(text[at] ?? 'x')) at++
	return text.charCodeAt(at) === COLON
}

const COLON = 0x3a
const COMMA = 0x2c
const QUOTE = 0x22
const BACKSLASH = 0x5c
const ARRAY_OPEN = 0x5b
const ARRAY_CLOSE = 0x5d
const OBJECT_OPEN = 0x7b
const OBJECT_CLOSE = 0x7d

/** Characters that are found in one step: each takes some nanoseconds. */
const FOUND_PER_STEP = 2 ** 14

/** Most bodies have few of any character, which is quicker to find out than what they mean. */
function* hasMoreOf(characters: string, text: string, countMax: number): Steps<boolean> {
	let count = 0
	for (const character of characters) {
		for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) {
			if (++count > countMax) return true
			if (count % FOUND_PER_STEP === 0) yield
		}
	}
	return false
}

/** Place of the quotation mark that ends the string which starts at `start`; the text's end without one. */
function* endOfString(text: string, start: number): Steps<number> {
	let count = 0
	for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
		let backslashes = 0
		while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++
		if (backslashes % 2 === 0) return end
		if (++count % FOUND_PER_STEP === 0) yield
	}
	return text.length
}
