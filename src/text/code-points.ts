/** Code points of a well-formed text: a surrogate pair counts as one. */
export function codePointCount(text: string): number {
	let count = text.length
	for (let at = 0; at < text.length; at++) {
		if ((text.charCodeAt(at) & 0xfc00) === 0xdc00) count--
	}
	return count
}
