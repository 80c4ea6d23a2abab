/** The parts that a text is made of. */

/**
 * A piece of a text: what the user typed, or a token of a model.
 * @typedef {{ text: string, detail: import('./api.js').TokenDetail | null, isTyped: boolean }} Part
 */

/** Typed text is one part per so many characters, ended at a line end where there is one. */
const PART_CHARACTERS = 500

/** @param {readonly Part[]} parts */
export function textOf(parts) {
	return parts.map(({ text }) => text).join('')
}

/** The beginning of a text, for lists. @param {readonly Part[]} parts */
export function excerptOf(parts) {
	let text = ''
	for (const part of parts) {
		text += part.text
		if (text.length > 200) break
	}
	return text.replaceAll(/\s+/g, ' ').trim().slice(0, 80)
}

/**
 * What the user typed, in parts.
 * @param {string} text
 * @returns {Part[]}
 */
export function typedParts(text) {
	/** @type {Part[]} */
	const parts = []
	for (let at = 0; at < text.length; ) {
		const lineEnd = text.indexOf('\n', at + PART_CHARACTERS) + 1
		const end = lineEnd === 0 ? text.length : lineEnd
		parts.push({ text: text.slice(at, end), detail: null, isTyped: true })
		at = end
	}
	return parts
}

/**
 * Parts of pieces of a stream: their tokens where they spell their text, else the text as a whole.
 * @param {readonly import('./api.js').Piece[]} pieces
 */
export function generatedParts(pieces) {
	/** @type {Part[]} */
	const parts = []
	for (const { text, tokens } of pieces) {
		if (text === '') continue
		if (tokens !== null && spell(tokens, text)) {
			for (const detail of tokens) parts.push({ text: detail.token, detail, isTyped: false })
		} else parts.push({ text, detail: null, isTyped: false })
	}
	return parts
}

/**
 * @param {readonly import('./api.js').TokenDetail[]} tokens
 * @param {string} text
 */
function spell(tokens, text) {
	return tokens.length === 1
		? tokens[0]?.token === text
		: tokens.map(({ token }) => token).join('') === text
}

/**
 * The edit that makes the parts spell a text that the user has changed; null when they do. Tokens in
 * front of the change stay what they are; those behind it lose their probabilities, which were those
 * of another text.
 * @param {readonly Part[]} parts
 * @param {string} text
 * @returns {{ at: number, remove: number, inserted: Part[] } | null}
 */
export function typedEdit(parts, text) {
	const old = textOf(parts)
	if (old === text) return null
	let same = 0
	while (same < old.length && old[same] === text[same]) same++
	let at = 0
	let before = 0
	for (let part = parts[at]; part && before + part.text.length <= same; part = parts[at]) {
		before += part.text.length
		at++
	}
	const previous = parts[at - 1]
	if (previous?.isTyped && previous.text.length < PART_CHARACTERS) {
		before -= previous.text.length
		at--
	}
	const most = Math.min(old.length, text.length) - before
	let sameEnd = 0
	while (sameEnd < most && old[old.length - 1 - sameEnd] === text[text.length - 1 - sameEnd])
		sameEnd++
	let end = parts.length
	let behind = 0
	for (
		let part = parts[end - 1];
		part && end > at && behind + part.text.length <= sameEnd;
		part = parts[end - 1]
	) {
		behind += part.text.length
		end--
	}
	const typed = typedParts(text.slice(before, text.length - behind))
	const tail = parts.slice(end)
	if (tail.every(({ detail }) => detail === null)) return { at, remove: end - at, inserted: typed }
	const plain = tail.map((part) => (part.detail === null ? part : { ...part, detail: null }))
	return { at, remove: parts.length - at, inserted: [...typed, ...plain] }
}

/**
 * The part in which a character of the text is, and how many characters of it stand before that.
 * @param {readonly Part[]} parts
 * @param {number} offset
 */
export function placeAt(parts, offset) {
	let before = 0
	for (const [place, { text }] of parts.entries()) {
		if (before + text.length > offset) return { place, within: offset - before }
		before += text.length
	}
	return { place: parts.length, within: 0 }
}
