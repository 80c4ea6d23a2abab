import type { Alphabet } from './alphabet.ts'
import { allowsNoneBetween, type Lexeme } from './lexeme.ts'

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
	return new NumberFormat(alphabet, kind, bounds).start
}

/** What has been read of a number. */
interface Prefix {
	readonly isNegative: boolean
	/** Digits before the point; 0 at the start and after the minus. */
	readonly wholeLength: number
	/** Digits after the point; null before it. */
	readonly fractionLength: number | null
	/** Value of the digits in units, without the sign. */
	readonly units: bigint
}

const START: Prefix = { isNegative: false, wholeLength: 0, fractionLength: null, units: 0n }

class NumberFormat {
	/** Least common multiple of the divisors in units; 1: there are none. */
	readonly #divisor: bigint
	/** Entry n: numbers with up to n digits after the point are multiples of it. */
	readonly #grids: readonly bigint[]
	readonly #allowsMinus: boolean
	readonly #allowsPoint: boolean
	/** Inclusive, in units, of what follows a sign. */
	readonly #positive: Interval
	readonly #negative: Interval
	/** By the classes of their prefixes. */
	readonly #places = new Map<string, Lexeme>()

	constructor(alphabet: Alphabet, kind: 'integer' | 'number', bounds: NumberBounds) {
		const { minimum, maximum, exclusiveMinimum, exclusiveMaximum } = bounds
		const units = (bounds.divisors ?? []).map(floorToUnits)
		this.#divisor = units.reduce(leastCommonMultiple, 1n)
		this.#grids = POWERS.slice(0, FRACTION_DIGIT_COUNT_MAX + 1)
			.reverse()
			.map((step) => leastCommonMultiple(step, this.#divisor))
		const lows = [-MAGNITUDE_MAX]
		if (minimum !== undefined) lows.push(-floorToUnits(-minimum))
		if (exclusiveMinimum !== undefined) lows.push(floorToUnits(exclusiveMinimum) + 1n)
		const highs = [MAGNITUDE_MAX]
		if (maximum !== undefined) highs.push(floorToUnits(maximum))
		if (exclusiveMaximum !== undefined) highs.push(-floorToUnits(-exclusiveMaximum) - 1n)
		const [lowest, highest] = [lows.reduce(larger), highs.reduce(smaller)]
		this.#positive = { low: larger(lowest, 0n), high: highest }
		// Zero has no sign.
		this.#negative = { low: larger(-highest, 1n), high: -lowest }
		this.#allowsMinus = alphabet.isSpelled(MINUS)
		this.#allowsPoint = kind === 'number' && alphabet.isSpelled(POINT)
	}

	/** The place after a prefix, undefined when no number within the bounds starts like this. */
	place(prefix: Prefix): Lexeme | undefined {
		const name = this.#classOf(prefix)
		if (name === undefined) return undefined
		let place = this.#places.get(name)
		if (place === undefined) {
			place = this.#makePlace(prefix)
			this.#places.set(name, place)
		}
		return place
	}

	get start(): Lexeme | undefined {
		return this.place(START)
	}

	#makePlace(prefix: Prefix): Lexeme {
		const successors = new Map<number, Lexeme | undefined>()
		const next = (codePoint: number): Lexeme | undefined => {
			if (!successors.has(codePoint)) {
				const successor = successorOf(prefix, codePoint)
				successors.set(codePoint, successor && this.place(successor))
			}
			return successors.get(codePoint)
		}
		const { isNegative, wholeLength, fractionLength } = prefix
		const length = Number(isNegative) + wholeLength + 1 + (fractionLength ?? -1)
		// Only its falling towards the end matters: digits are limited, so the end comes.
		const cost = DIGIT_COUNT_MAX + 3 - length
		let hasNext: boolean | undefined
		const isOpen = (): boolean => {
			hasNext ??= SPELLING.some((codePoint) => next(codePoint) !== undefined)
			return hasNext
		}
		return {
			accepts: this.#accepts(prefix),
			get nextCost() {
				return isOpen() ? cost : Number.POSITIVE_INFINITY
			},
			get hasSpelledNext() {
				return isOpen()
			},
			unspelledNext: null,
			isStandIn: false,
			contentRoom: 0,
			allowsBetween: allowsNoneBetween,
			next,
		}
	}

	#accepts({ isNegative, wholeLength, fractionLength, units }: Prefix): boolean {
		if (wholeLength === 0 || fractionLength === 0) return false
		const { low, high } = isNegative ? this.#negative : this.#positive
		return units >= low && units <= high && units % this.#divisor === 0n
	}

	/**
	 * Prefixes of a class can be continued in the same ways: of as many digits, with the same remainder,
	 * and with continuations of each length all within the bounds or all outside. A prefix that begins
	 * like a bound itself is a class of its own; there are few. Undefined: nothing continues it.
	 */
	#classOf(prefix: Prefix): string | undefined {
		const { isNegative, wholeLength, fractionLength, units } = prefix
		if (isNegative && !this.#allowsMinus) return undefined
		if (fractionLength !== null && !this.#allowsPoint) return undefined
		const sign = isNegative ? '-' : '+'
		if (wholeLength === 0) return this.#startsSome(prefix) ? sign : undefined
		const room = DIGIT_COUNT_MAX - wholeLength
		if (room < 0) return undefined
		const bounds = isNegative ? this.#negative : this.#positive
		let isViable = false
		let isLikeBound = false
		let within = 0
		const look = (from: bigint, width: bigint, digits: number, bit: number): void => {
			const last = from + width - 1n
			if (last < bounds.low || from > bounds.high) return
			if (from >= bounds.low && last <= bounds.high) within |= 1 << bit
			else isLikeBound = true
			isViable ||= hasMultiple(this.#grids[digits]!, from, last, bounds)
		}
		if (fractionLength === null) {
			const isZero = units === 0n
			// So many more digits before the point, then maybe a fraction.
			for (let more = 0; more <= (isZero ? 0 : room); more++) {
				const from = units * POWERS[more]!
				if (from > bounds.high) break
				const digits = this.#allowsPoint ? Math.min(FRACTION_DIGIT_COUNT_MAX, room - more) : 0
				look(from, POWERS[more + FRACTION_DIGIT_COUNT_MAX]!, digits, more)
			}
			if (isZero) within |= 1 << (DIGIT_COUNT_MAX + 1)
		} else {
			const digits = Math.min(FRACTION_DIGIT_COUNT_MAX, room)
			if (digits === 0 || fractionLength > digits) return undefined
			look(units, POWERS[FRACTION_DIGIT_COUNT_MAX - fractionLength]!, digits, 0)
		}
		if (!isViable) return undefined
		const value = isLikeBound ? `= ${units}` : `${within} ${units % this.#divisor}`
		return `${sign}${wholeLength}.${fractionLength ?? ''} ${value}`
	}

	/** Whether a number begins with this, where no digit has come. */
	#startsSome({ isNegative }: Prefix): boolean {
		const starts = isNegative ? DIGITS : [...DIGITS, MINUS]
		return starts.some((codePoint) => {
			const successor = successorOf({ ...START, isNegative }, codePoint)
			return successor !== undefined && this.#classOf(successor) !== undefined
		})
	}
}

interface Interval {
	readonly low: bigint
	readonly high: bigint
}

/** Entry n: 10 to the n. */
const POWERS: readonly bigint[] = Array.from(
	{ length: DIGIT_COUNT_MAX + FRACTION_DIGIT_COUNT_MAX + 1 },
	(_, exponent) => 10n ** BigInt(exponent),
)

const DIGITS = Array.from({ length: 10 }, (_, digit) => ZERO + digit)
const SPELLING = [...DIGITS, POINT, MINUS]

function successorOf(prefix: Prefix, codePoint: number): Prefix | undefined {
	const { isNegative, wholeLength, fractionLength, units } = prefix
	const isWhole = wholeLength > 0 && fractionLength === null
	if (codePoint === MINUS) {
		return wholeLength > 0 || isNegative ? undefined : { ...prefix, isNegative: true }
	}
	if (codePoint === POINT) return isWhole ? { ...prefix, fractionLength: 0 } : undefined
	const digit = codePoint - ZERO
	if (digit < 0 || digit > 9) return undefined
	if (fractionLength === null) {
		if (isWhole && units === 0n) return undefined
		const value = units * 10n + BigInt(digit) * UNITS_PER_ONE
		return { ...prefix, wholeLength: wholeLength + 1, units: value }
	}
	if (fractionLength === FRACTION_DIGIT_COUNT_MAX) return undefined
	const scale = POWERS[FRACTION_DIGIT_COUNT_MAX - 1 - fractionLength]!
	return { ...prefix, fractionLength: fractionLength + 1, units: units + BigInt(digit) * scale }
}

/** Whether a multiple of the grid lies in [from, last] and within the bounds. */
function hasMultiple(grid: bigint, from: bigint, last: bigint, { low, high }: Interval): boolean {
	const lowest = larger(from, low)
	return ((lowest + grid - 1n) / grid) * grid <= smaller(last, high)
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
