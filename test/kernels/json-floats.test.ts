/* Decimal text to f32 against JSON.parse and Math.fround, which are correctly rounded. */
import { describe, expect, test } from 'bun:test'
import { openKernels, pointerOf } from '../../src/kernels/binding.ts'
import { uniform } from '../helpers/random-model.ts'
import { libraryPath } from '../helpers/test-engine.ts'

const kernels = openKernels(libraryPath)

interface Parsed {
	/** Numbers parsed, or -1. */
	readonly count: number
	readonly consumed: number
	readonly numbers: Float32Array
}

function parse(text: string, isLast = true): Parsed {
	const bytes = Buffer.from(`${text}#`)
	const out = new Float32Array(bytes.length)
	const consumed = new BigInt64Array(1)
	const count = kernels.parseJsonFloats(
		pointerOf(bytes),
		bytes.length - 1,
		isLast ? 1 : 0,
		pointerOf(out),
		out.length,
		pointerOf(consumed),
	)
	return { count, consumed: Number(consumed[0]), numbers: out.slice(0, Math.max(0, count)) }
}

/** Texts whose f32 differs from the reference, told by their bits. */
function differences(texts: readonly string[]): string[] {
	const { count, numbers } = parse(texts.join(','))
	expect(count).toBe(texts.length)
	const expected = Float32Array.from(texts, Number)
	const [bits, expectedBits] = [new Uint32Array(numbers.buffer), new Uint32Array(expected.buffer)]
	return texts.filter((_, i) => bits[i] !== expectedBits[i])
}

const view = new DataView(new ArrayBuffer(8))

/** A double of random bits, so of any magnitude. */
function randomDouble(next: () => number): number {
	view.setUint32(0, next() * 2 ** 32)
	view.setUint32(4, next() * 2 ** 32)
	return view.getFloat64(0)
}

function randomFloat(next: () => number): number {
	view.setUint32(0, next() * 2 ** 32)
	return view.getFloat32(0)
}

/** The decimal expansion of mantissa * 2^exponent, to its last digit. */
function exactDecimal(mantissa: bigint, exponent: number): string {
	if (exponent >= 0) return (mantissa << BigInt(exponent)).toString()
	const digits = (mantissa * 5n ** BigInt(-exponent)).toString().padStart(1 - exponent, '0')
	return `${digits.slice(0, exponent)}.${digits.slice(exponent)}`
}

/** The midpoint of a random double within f32's range and its successor. */
function midpoint(next: () => number): string {
	view.setFloat64(0, Math.abs(randomFloat(next)) || 1)
	view.setUint32(4, next() * 2 ** 32)
	const bits = view.getBigUint64(0)
	const mantissa = (bits & (2n ** 52n - 1n)) | (2n ** 52n)
	return exactDecimal(2n * mantissa + 1n, Number((bits >> 52n) & 0x7ffn) - 1076)
}

describe('numbers are rounded to double and then to f32', () => {
	const next = uniform(20261122)
	const many = (count: number, make: () => string) => Array.from({ length: count }, make)
	const isFiniteText = (text: string) => Number.isFinite(Number(text))

	test.each([
		['f32 values as the trainer prints them', () => String(randomFloat(next))],
		['doubles of any magnitude', () => String(randomDouble(next))],
		['small weights', () => String((next() - 0.5) / 5)],
		['long digits', () => `${next() < 0.5 ? '-' : ''}${next()}${String(next()).slice(2)}`],
		['short exponents', () => `${Math.floor(next() * 1e5)}e${Math.floor(next() * 120) - 75}`],
		[
			'long exponents',
			() => `${next()}${String(next()).slice(2)}E${Math.floor(next() * 120) - 75}`,
		],
	])('%s', (_name, make) => {
		expect(differences(many(20_000, make).filter(isFiniteText))).toEqual([])
	})

	test('at and around the midpoints of doubles', () => {
		const texts = many(300, () => midpoint(next)).filter((text) => text.includes('.'))
		const above = texts.map((text) => `${text}${'0'.repeat(next() * 900)}1`)
		const below = texts.map((text) => `${text.slice(0, -1)}4${'9'.repeat(next() * 900)}`)
		expect(differences([...texts, ...above, ...below])).toEqual([])
	})

	test('at the ends of the range', () => {
		const texts = [
			'0',
			'-0',
			'0.0',
			'-0.0e5',
			'1e400',
			'-1e400',
			'1e-400',
			'0e999999999999999999999',
		]
		texts.push('1e99999999999999999999', '3.4028235677973366e38', '3.4028234663852886e38')
		texts.push('7.006492321624085e-46', '7.0064923216240853546186479164495e-46', '1E+5')
		texts.push('18446744073709551615', '18446744073709551616', '123456789012345678901234567890')
		texts.push(`0.${'0'.repeat(2000)}1e2001`, `1${'0'.repeat(2000)}e-2000`)
		expect(differences(texts)).toEqual([])
	})
})

describe('text that is no list of numbers is refused at its fault', () => {
	test.each([
		['01', 0],
		['1,', 2],
		['+1', 0],
		['.5', 0],
		['1.', 2],
		['1e', 2],
		['1e+', 3],
		['-', 1],
		['null', 0],
		['NaN', 0],
		['Infinity', 0],
		['1 2', 2],
		['[1]', 0],
		['1,,2', 2],
		['1,]', 2],
		['1.5.5', 3],
		['0x10', 1],
		['1a', 1],
	])('%s', (text, offset) => {
		expect(parse(text)).toMatchObject({ count: -1, consumed: offset })
	})
})

test('a list that arrives in pieces of any size reads as a whole one', () => {
	const next = uniform(7)
	const items = Array.from({ length: 3000 }, () => {
		return next() < 0.8 ? String(next() - 0.5) : ` ${Math.floor(next() * 99)} \n`
	})
	const text = `${items.join(',')}]`
	const numbers: number[] = []
	let rest = ''
	for (let at = 0; at < text.length; ) {
		const length = 1 + Math.floor(next() * 60)
		rest += text.slice(at, at + length)
		at += length
		const piece = parse(rest, false)
		expect(piece.count).toBeGreaterThanOrEqual(0)
		numbers.push(...piece.numbers)
		rest = rest.slice(piece.consumed)
	}
	expect(rest.trim()).toBe(']')
	expect(numbers).toEqual([...Float32Array.from(items, Number)])
})
