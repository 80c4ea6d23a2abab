/**
 * Integers of up to 64 bits, which JSON can carry and a number cannot. One beyond 53 bits is folded
 * into them: its upper 11 bits of 64 (two's complement) are combined by exclusive or with its lowest
 * 11. Different integers less than 2^53 apart stay different.
 */

/** The number for decimal digits; beyond 64 bits only the lowest 64 count. */
export function foldInteger64(digits: string): number {
	const value = Number(digits)
	if (Number.isSafeInteger(value) || !Number.isFinite(value)) return value
	const bits = BigInt.asUintN(64, BigInt(digits))
	return Number(BigInt.asUintN(53, bits ^ (bits >> 53n)))
}

/** The same for a field of the object that `json` holds, whose digits JSON.parse has rounded. */
export function foldedField(json: string, name: string): number | undefined {
	const sources = new Map<unknown, string>()
	const root: unknown = JSON.parse(json, readSource)
	const source = sources.get(root)
	if (source === undefined) return undefined
	// Written with a fraction or an exponent, it is what JSON.parse has read.
	return foldInteger64(/^-?\d+$/.test(source) ? source : BigInt(Number(source)).toString())

	function readSource(this: unknown, key: string, value: unknown, context?: { source?: string }) {
		if (key === name && context?.source !== undefined) sources.set(this, context.source)
		return value
	}
}
