/** A set of code points: ranges in ascending order, neither touching nor overlapping. */
export interface CharSet {
	readonly ranges: readonly CharRange[]
}

/** Both ends belong to it. */
export type CharRange = readonly [from: number, to: number]

const CODE_POINT_MAX = 0x10ffff

export const ANY_CHAR: CharSet = { ranges: [[0, CODE_POINT_MAX]] }

export function charSet(...ranges: CharRange[]): CharSet {
	const merged: [number, number][] = []
	for (const [from, to] of ranges.sort((a, b) => a[0] - b[0])) {
		const last = merged.at(-1)
		if (last === undefined || from > last[1] + 1) merged.push([from, to])
		else last[1] = Math.max(last[1], to)
	}
	return { ranges: merged }
}

/** The set of the characters of a text. */
export function charsOf(text: string): CharSet {
	return charSet(
		...Array.from(text, (char): CharRange => [char.codePointAt(0)!, char.codePointAt(0)!]),
	)
}

export function unionOf(...sets: readonly CharSet[]): CharSet {
	return charSet(...sets.flatMap(({ ranges }) => ranges))
}

/** All characters that are not in the set. */
export function complementOf({ ranges }: CharSet): CharSet {
	const gaps: CharRange[] = []
	let from = 0
	for (const [first, last] of ranges) {
		if (first > from) gaps.push([from, first - 1])
		from = last + 1
	}
	if (from <= CODE_POINT_MAX) gaps.push([from, CODE_POINT_MAX])
	return { ranges: gaps }
}

export function hasChar({ ranges }: CharSet, codePoint: number): boolean {
	return ranges.some(([from, to]) => from <= codePoint && codePoint <= to)
}
