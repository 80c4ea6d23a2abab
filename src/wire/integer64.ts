/**
 * Integers of up to 64 bits, which JSON can carry and a number cannot. One beyond 53 bits is folded
 * into them: its upper 11 bits of 64 (two's complement) are combined by exclusive or with its lowest
 * 11. Different integers less than 2^53 apart stay different.
 */

import { memberText } from '../lib/json-scan.ts'
import type { Steps } from '../lib/steps.ts'

/** The number for decimal digits; beyond 64 bits only the lowest 64 count. */
export function foldInteger64(digits: string): number {
	const value = Number(digits)
	if (Number.isSafeInteger(value) || !Number.isFinite(value)) return value
	const bits = BigInt.asUintN(64, BigInt(digits))
	return Number(BigInt.asUintN(53, bits ^ (bits >> 53n)))
}

/** The same for an integer field of the object that `json` holds, whose digits JSON.parse has rounded. */
export function* foldedField(json: string, name: string): Steps<number | undefined> {
	const source = yield* memberText(json, name)
	if (source === undefined) return undefined
	// Written with a fraction or an exponent, it is what JSON.parse has read.
	return foldInteger64(/^-?\d+$/.test(source) ? source : BigInt(Number(source)).toString())
}
