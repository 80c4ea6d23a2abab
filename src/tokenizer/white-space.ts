/** White space as Unicode and the trainers mean it; JavaScript's own lacks U+0085 and has U+FEFF. */
const WHITE_SPACE = /\p{White_Space}/u

function isWhiteSpace(character: string | undefined): boolean {
	return character !== undefined && WHITE_SPACE.test(character)
}

/** Index of the first character from `from` on that is no white space. */
export function skipWhiteSpace(text: string, from: number): number {
	let at = from
	while (isWhiteSpace(text[at])) at++
	return at
}

/** The text without the white space at its end. */
export function trimWhiteSpaceEnd(text: string): string {
	let end = text.length
	while (isWhiteSpace(text[end - 1])) end--
	return text.slice(0, end)
}
