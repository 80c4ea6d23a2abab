/*
 * Characters that come in pieces: tokens whose bytes are a part of one character in UTF-8. RFC 3629.
 */

/** Bytes of a character, of which more are to come. */
export type PartialBytes = readonly number[]

/** Code points whose bytes begin so: from, to. */
export type CodePointRange = readonly [from: number, to: number]

/** First bytes of characters of two, three and four bytes. */
const LEADS = [
	{ from: 0xc2, to: 0xdf, length: 2, bits: 0x1f },
	{ from: 0xe0, to: 0xef, length: 3, bits: 0x0f },
	{ from: 0xf0, to: 0xf4, length: 4, bits: 0x07 },
] as const

/** Least code points that are written in so many bytes. */
const LEAST: Readonly<Record<number, number>> = { 2: 0x80, 3: 0x800, 4: 0x1_0000 }
const GREATEST = 0x10_ffff
const SURROGATES = [0xd800, 0xdfff] as const

function isContinuation(byte: number): boolean {
	return byte >= 0x80 && byte <= 0xbf
}

/**
 * The characters with which these bytes can go on; null where none
 * begins so. Of a whole character it is the only one.
 */
export function codePointsBehind(bytes: PartialBytes): CodePointRange | null {
	const [first = 0, ...rest] = bytes
	const lead = LEADS.find(({ from, to }) => first >= from && first <= to)
	if (lead === undefined || rest.length >= lead.length || !rest.every(isContinuation)) return null
	let value = first & lead.bits
	for (const byte of rest) value = (value << 6) | (byte & 0x3f)
	const open = 6 * (lead.length - 1 - rest.length)
	const from = Math.max(value * 2 ** open, LEAST[lead.length]!)
	const last = Math.min((value + 1) * 2 ** open - 1, GREATEST)
	// Surrogates, which are no characters, end a range or fill it.
	const to = last >= SURROGATES[0] && last <= SURROGATES[1] ? SURROGATES[0] - 1 : last
	return from > to ? null : [from, to]
}

/** Whether they are a whole character. */
export function isWhole(bytes: PartialBytes): boolean {
	return LEADS.some(({ from, to, length }) => {
		return bytes[0]! >= from && bytes[0]! <= to && bytes.length === length
	})
}
