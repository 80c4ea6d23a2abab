/** Random edits of files, for fuzzing. */

/** Uniform in [0, 1). */
export type Random = () => number

/** Texts that mean something to a reader. */
const TOKENS = [
	'null',
	'1e400',
	'-',
	'[',
	']',
	'{',
	'}',
	'"',
	',',
	':',
	'0',
	'\\',
	'9007199254740993',
	' ',
]

export function integer(next: Random, below: number): number {
	return Math.floor(next() * below)
}

/** One to four random edits; most hit the front, where the structure is. */
export function mutate(original: Uint8Array, next: Random): Uint8Array {
	let bytes = Buffer.from(original)
	for (let edits = 1 + integer(next, 4); edits > 0; edits--) {
		const at = integer(next, next() < 0.5 ? Math.min(bytes.length, 400) : bytes.length)
		const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
		const length = integer(next, 40)
		const token = Buffer.from(TOKENS[integer(next, TOKENS.length)]!)
		switch (integer(next, 6)) {
			case 0:
				if (at < bytes.length) bytes[at]! ^= 1 << integer(next, 8)
				break
			case 1:
				bytes = before
				break
			case 2:
				bytes = Buffer.concat([before, after.subarray(length)])
				break
			case 3:
				bytes = Buffer.concat([before, token, after])
				break
			case 4:
				bytes = Buffer.concat([before, token, after.subarray(token.length)])
				break
			default:
				bytes = Buffer.concat([before, after.subarray(0, length), after])
		}
	}
	return bytes
}
