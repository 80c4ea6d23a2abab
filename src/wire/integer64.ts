/**
 * Integers of up to 64 bits, which JSON can carry and a number cannot. One beyond 53 bits is folded
 * into them: its upper 11 bits of 64 (two's complement) are combined by exclusive or with its lowest
 * 11. Different integers less than 2^53 apart stay different.
 */

/** Bounds of the field: signed and unsigned integers of 64 bits. */
export const integer64Min = -(2 ** 63)
export const integer64Max = 2 ** 64

/** The number for decimal digits; what is not within the bounds stays as it is, to be refused. */
export function foldInteger64(digits: string): number {
	const value = Number(digits)
	if (Number.isSafeInteger(value) || value < integer64Min || value > integer64Max) return value
	const bits = BigInt.asUintN(64, BigInt(digits))
	return Number(BigInt.asUintN(53, bits ^ (bits >> 53n)))
}

/** The same for a field of the object that `json` holds, whose digits JSON.parse has rounded. */
export function foldedField(json: string, name: string): number | undefined {
	const sources = new Map<unknown, string>()
	const root: unknown = JSON.parse(json, readSource)
	const source = sources.get(root)
	return source !== undefined && /^-?\d+$/.test(source) ? foldInteger64(source) : undefined

	function readSource(this: unknown, key: string, value: unknown, context?: { source?: string }) {
		if (key === name && context?.source !== undefined) sources.set(this, context.source)
		return value
	}
}
