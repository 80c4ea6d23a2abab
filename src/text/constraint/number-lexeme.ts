import type { Alphabet } from './alphabet.ts'
import type { Lexeme } from './lexeme.ts'

/** Digits of a number in all: every decimal of so many digits is a different double. */
const DIGIT_COUNT_MAX = 15
/** Digits after the point. */
const FRACTION_DIGIT_COUNT_MAX = 6
/** Numbers are compared exactly, as integers of this unit. */
const UNITS_PER_ONE = 10n ** BigInt(FRACTION_DIGIT_COUNT_MAX)
const MAGNITUDE_MAX = 10n ** BigInt(DIGIT_COUNT_MAX) * UNITS_PER_ONE - 1n

const MINUS = 0x2d
const POINT = 0x2e
const ZERO = 0x30

export interface NumberBounds {
	readonly minimum?: number | undefined
	readonly maximum?: number | undefined
	readonly exclusiveMinimum?: number | undefined
	readonly exclusiveMaximum?: number | undefined
	/** All of them divide the number: positive, with at most 6 binary digits after the point. */
	readonly divisors?: readonly number[]
}

/** Binary digits after the point: what has no more is exact with the decimal digits that numbers may have. */
const DIVISOR_BIT_COUNT_MAX = FRACTION_DIGIT_COUNT_MAX
const DIVISOR_MAX = 1e9

/** Whether all validators agree on what the multiples of a number are. */
export function isDivisor(divisor: number): boolean {
	return (
		divisor > 0 && divisor <= DIVISOR_MAX && Number.isInteger(divisor * 2 ** DIVISOR_BIT_COUNT_MAX)
	)
}

export function areDivisible(value: number, divisor: number): boolean {
	return Number.isInteger(value / divisor)
}

/**
 * A JSON number without exponent (and never -0), of at most 15 digits, 6 of them after the point,
 * within the bounds; undefined where there is none or the vocabulary cannot write it.
 */
export function numberLexeme(
	alphabet: Alphabet,
	kind: 'integer' | 'number',
	bounds: NumberBounds,
): Lexeme | undefined {
	if (!alphabet.spells('0123456789')) return undefined
	const format = new NumberFormat(alphabet, kind, bounds)
	return format.place({ isNegative: false, whole: '', fraction: null })
}

/** What has been read: `whole` is '' at the start and after the minus. */
interface Prefix {
	readonly isNegative: boolean
	readonly whole: string
	/** null before the point. */
	readonly fraction: string | null
}

class NumberFormat {
	readonly #isBounded: boolean
	/** Least common multiple of the divisors in units; 1: there are none. */
	readonly #divisor: bigint
	readonly #allowsMinus: boolean
	readonly #allowsPoint: boolean
	/** Inclusive, in units. */
	readonly #lowest: bigint
	readonly #highest: bigint
	readonly #places = new Map<string, Lexeme>()

	constructor(alphabet: Alphabet, kind: 'integer' | 'number', bounds: NumberBounds) {
		const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = bounds
		const units = (bounds.divisors ?? []).map(floorToUnits)
		this.#divisor = units.reduce(leastCommonMultiple, 1n)
		const lows = [-MAGNITUDE_MAX]
		if (minimum !== undefined) lows.push(-floorToUnits(-minimum))
		if (exclusiveMinimum !== undefined) lows.push(floorToUnits(exclusiveMinimum) + 1n)
		const highs = [MAGNITUDE_MAX]
		if (maximum !== undefined) highs.push(floorToUnits(maximum))
		if (exclusiveMaximum !== undefined) highs.push(-floorToUnits(-exclusiveMaximum) - 1n)
		this.#lowest = lows.reduce(larger)
		this.#highest = highs.reduce(smaller)
		this.#isBounded = lows.length + highs.length > 2
		this.#allowsMinus = alphabet.isSpelled(MINUS)
		this.#allowsPoint = kind === 'number' && alphabet.isSpelled(POINT)
	}

	/** The place after a prefix, undefined when no number within the bounds starts like this. */
	place(prefix: Prefix): Lexeme | undefined {
		if (!this.#isViable(prefix)) return undefined
		const { isNegative, whole, fraction } = this.#isBounded
			? prefix
			: withoutValue(prefix, this.#divisor)
		const key = `${isNegative ? '-' : ''}${whole}${fraction === null ? '' : `.${fraction}`}`
		let place = this.#places.get(key)
		if (place === undefined) {
			place = this.#makePlace({ isNegative, whole, fraction }, key.length)
			this.#places.set(key, place)
		}
		return place
	}

	#makePlace(prefix: Prefix, length: number): Lexeme {
		const successors = new Map<number, Lexeme>()
		const add = (codePoint: number, successor: Prefix): void => {
			const place = this.place(successor)
			if (place !== undefined) successors.set(codePoint, place)
		}
		let isExpanded = false
		const expand = (): Map<number, Lexeme> => {
			if (isExpanded) return successors
			isExpanded = true
			const { isNegative, whole, fraction } = prefix
			if (whole === '' && !isNegative) add(MINUS, { ...prefix, isNegative: true })
			if (whole !== '' && fraction === null) add(POINT, { ...prefix, fraction: '' })
			for (let digit = 0; digit <= 9; digit++) {
				if (fraction !== null) add(ZERO + digit, { ...prefix, fraction: fraction + digit })
				else if (whole !== '0') add(ZERO + digit, { ...prefix, whole: whole + digit })
			}
			return successors
		}
		return {
			accepts: this.#accepts(prefix),
			get nextCost() {
				// Only its falling towards the end matters: digits are limited, so the end comes.
				return expand().size > 0 ? DIGIT_COUNT_MAX + 3 - length : Number.POSITIVE_INFINITY
			},
			get hasSpelledNext() {
				return expand().size > 0
			},
			unspelledNext: null,
			isStandIn: false,
			contentRoom: 0,
			next: (codePoint) => expand().get(codePoint),
		}
	}

	#accepts({ isNegative, whole, fraction }: Prefix): boolean {
		if (whole === '' || fraction === '') return false
		const value = toUnits(whole, fraction ?? '')
		const [from, to] = this.#magnitudes(isNegative)
		return value >= from && value <= to && value % this.#divisor === 0n
	}

	#isViable(prefix: Prefix): boolean {
		const { isNegative, whole, fraction } = prefix
		if (isNegative && !this.#allowsMinus) return false
		if (fraction !== null && !this.#allowsPoint) return false
		if (whole === '') {
			const negative = { isNegative: true, whole: '', fraction: null }
			const reaches = '0123456789'
				.split('')
				.some((digit) => this.#isViable({ isNegative, whole: digit, fraction: null }))
			return reaches || (!isNegative && this.#isViable(negative))
		}
		const room = DIGIT_COUNT_MAX - whole.length
		if (room < 0) return false
		if (fraction !== null) {
			const digits = Math.min(FRACTION_DIGIT_COUNT_MAX, room)
			if (digits === 0 || fraction.length > digits) return false
			const width = 10n ** BigInt(FRACTION_DIGIT_COUNT_MAX - fraction.length)
			return this.#reaches(isNegative, toUnits(whole, fraction), width, digits)
		}
		// So many more digits before the point, then maybe a fraction.
		for (let more = 0; more <= (whole === '0' ? 0 : room); more++) {
			const scale = 10n ** BigInt(more)
			const fractionRoom = Math.min(FRACTION_DIGIT_COUNT_MAX, room - more)
			const digits = this.#allowsPoint ? fractionRoom : 0
			const from = toUnits(whole, '') * scale
			if (this.#reaches(isNegative, from, scale * UNITS_PER_ONE, digits)) return true
		}
		return false
	}

	/** Whether a number of `digits` after the point lies in [from, from + width) and the bounds. */
	#reaches(isNegative: boolean, from: bigint, width: bigint, digits: number): boolean {
		const step = 10n ** BigInt(FRACTION_DIGIT_COUNT_MAX - digits)
		const grid = leastCommonMultiple(step, this.#divisor)
		const [lowest, highest] = this.#magnitudes(isNegative)
		const low = larger(from, lowest)
		const last = from + width - step
		const high = smaller(last, highest)
		return ((low + grid - 1n) / grid) * grid <= high
	}

	/** Bounds of what follows the sign; zero has none. */
	#magnitudes(isNegative: boolean): [from: bigint, to: bigint] {
		if (!isNegative) return [larger(this.#lowest, 0n), this.#highest]
		return [larger(-this.#highest, 1n), -this.#lowest]
	}
}

/**
 * Without bounds only the number of digits matters, whether all are zero, and what is left over by the
 * divisor: fewer places.
 */
function withoutValue({ isNegative, whole, fraction }: Prefix, divisor: bigint): Prefix {
	if (divisor > 1n) return withSameRemainder({ isNegative, whole, fraction }, divisor)
	const blur = (digits: string): string => (/^0*$/.test(digits) ? '0' : '1').repeat(digits.length)
	return { isNegative, whole: blur(whole), fraction: fraction === null ? null : blur(fraction) }
}

/** The least number of as many digits that leaves over the same, whatever digits may follow. */
function withSameRemainder(prefix: Prefix, divisor: bigint): Prefix {
	const { isNegative, whole, fraction } = prefix
	if (whole === '' || whole === '0') return prefix
	const digits = whole + (fraction ?? '')
	const unit = 10n ** BigInt(FRACTION_DIGIT_COUNT_MAX - (fraction?.length ?? 0))
	const period = divisor / greatestCommonDivisor(divisor, unit)
	const least = 10n ** BigInt(digits.length - 1)
	const alike = (least + ((BigInt(digits) - least) % period)).toString()
	return {
		isNegative,
		whole: alike.slice(0, whole.length),
		fraction: fraction === null ? null : alike.slice(whole.length),
	}
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
	let [x, y] = [a, b]
	while (y > 0n) [x, y] = [y, x % y]
	return x
}

function leastCommonMultiple(a: bigint, b: bigint): bigint {
	return (a / greatestCommonDivisor(a, b)) * b
}

function larger(a: bigint, b: bigint): bigint {
	return a > b ? a : b
}

function smaller(a: bigint, b: bigint): bigint {
	return a < b ? a : b
}

function toUnits(whole: string, fraction: string): bigint {
	return BigInt(whole + fraction.padEnd(FRACTION_DIGIT_COUNT_MAX, '0'))
}

/** The largest number of units that is not above `value`, exact in its shortest decimal form. */
function floorToUnits(value: number): bigint {
	const [mantissa = '', exponent = '0'] = Math.abs(value).toString().split('e')
	const [whole = '', fraction = ''] = mantissa.split('.')
	const shift = Number(exponent) - fraction.length + FRACTION_DIGIT_COUNT_MAX
	const digits = BigInt(whole + fraction)
	const power = 10n ** BigInt(Math.abs(shift))
	const isExact = shift >= 0 || digits % power === 0n
	const magnitude = shift >= 0 ? digits * power : digits / power
	if (value >= 0) return magnitude
	return isExact ? -magnitude : -magnitude - 1n
}
