import { describe, expect, test } from 'bun:test'
import { finish } from '../../../src/lib/steps.ts'
import { Alphabet } from '../../../src/text/constraint/alphabet.ts'
import type { Lexeme } from '../../../src/text/constraint/lexeme.ts'
import { type NumberBounds, numberLexeme } from '../../../src/text/constraint/number-lexeme.ts'
import { TokenIndex } from '../../../src/text/constraint/token-index.ts'
import { tokenizerOf } from './walk.ts'

const SPELLING = [...'0123456789.-']
const alphabet = new Alphabet(finish(TokenIndex.of(tokenizerOf(SPELLING))), [])

function start(kind: 'integer' | 'number', bounds: NumberBounds): Lexeme {
	const lexeme = numberLexeme(alphabet, kind, bounds)
	if (lexeme === undefined) throw new Error('no number')
	return lexeme
}

function isAccepted(lexeme: Lexeme, text: string): boolean {
	let place: Lexeme | undefined = lexeme
	for (const character of text) place = place?.next(character.charCodeAt(0))
	return place?.accepts ?? false
}

/** All places that can be reached, up to a count that none should have. */
function placesOf(lexeme: Lexeme): Set<Lexeme> {
	const places = new Set([lexeme])
	for (const place of places) {
		for (const character of SPELLING) {
			const next = place.next(character.charCodeAt(0))
			if (next !== undefined && places.size < 10_000) places.add(next)
		}
	}
	return places
}

describe('accepts exactly the numbers within the bounds', () => {
	const cases: NumberBounds[] = [
		{ minimum: -7.5, maximum: 12.25 },
		{ exclusiveMinimum: 0, maximum: 10 },
		{ minimum: -3, exclusiveMaximum: 0 },
		{ minimum: 9.99, maximum: 100.01, divisors: [0.25] },
		{ minimum: -100, maximum: 100, divisors: [7] },
	]
	test.each(cases.map((it) => [JSON.stringify(it), it] as const))('%s', (_, bounds) => {
		const lexeme = start('number', bounds)
		const { minimum, exclusiveMinimum } = bounds
		const { maximum, exclusiveMaximum, divisors = [] } = bounds
		for (let hundredths = -11_000; hundredths <= 11_000; hundredths++) {
			const value = hundredths / 100
			const isWithin =
				!(minimum !== undefined && value < minimum) &&
				!(exclusiveMinimum !== undefined && value <= exclusiveMinimum) &&
				!(maximum !== undefined && value > maximum) &&
				!(exclusiveMaximum !== undefined && value >= exclusiveMaximum) &&
				divisors.every((divisor) => Number.isInteger(value / divisor))
			expect([value, isAccepted(lexeme, String(value))]).toEqual([value, isWithin])
		}
	})
})

test('never accepts -0 in any spelling, leading zeros or more than 15 digits', () => {
	const lexeme = start('number', {})
	for (const text of ['-0', '-0.0', '-0.000000', '00', '01', '1.', '.5', `1${'0'.repeat(15)}`]) {
		expect([text, isAccepted(lexeme, text)]).toEqual([text, false])
	}
	for (const text of [
		'0',
		'0.0',
		'-0.000001',
		'1'.repeat(15),
		`${'1'.repeat(9)}.${'1'.repeat(6)}`,
	]) {
		expect([text, isAccepted(lexeme, text)]).toEqual([text, true])
	}
})

test.each([
	['integers from 3 to 1e9', 'integer', { minimum: 3, maximum: 1e9 }],
	['numbers from 411.37 to 2,375,775.25', 'number', { minimum: 411.37, maximum: 2_375_775.25 }],
	['numbers above -1e12', 'number', { exclusiveMinimum: -1e12 }],
] as const)('%s have few places, however many values', (_, kind, bounds) => {
	expect(placesOf(start(kind, bounds)).size).toBeLessThan(1000)
})
