import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { finish } from '../../../src/lib/steps.ts'
import { dfaOf, matches } from '../../../src/text/regex/dfa.ts'
import { Languages } from '../../../src/text/regex/language.ts'
import { RegexError } from '../../../src/text/regex/regex-error.ts'
import { matchOf, searchOf } from '../../../src/text/regex/regex-language.ts'

function automaton(pattern: string, of: typeof matchOf) {
	const languages = new Languages()
	return finish(dfaOf(of(pattern, languages), languages))
}

/** Patterns over a small alphabet, with everything that the subset has. */
const anyPattern: fc.Arbitrary<string> = fc.letrec<{ pattern: string; part: string }>((tie) => ({
	part: fc.oneof(
		{ maxDepth: 3, withCrossShrink: true },
		fc.constantFrom(
			'a',
			'b',
			'\\.',
			'[ab]',
			'[^a]',
			'\\d',
			'\\W',
			'.',
			'[a-c1]',
			'\\u0061',
			'[\\s\\S]',
		),
		fc
			.tuple(tie('part'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,1}?', '{2,}'))
			.map(([part, count]) => `(?:${part})${count}`),
		fc.tuple(tie('part'), tie('part')).map(([a, b]) => a + b),
		fc.tuple(tie('part'), tie('part')).map(([a, b]) => `(${a}|${b})`),
	),
	pattern: fc
		.tuple(
			fc.constantFrom('', '^', '^(?!a)', '^(?=.*b)', '(?!bb)', '^(?!.*aa)'),
			tie('part') as fc.Arbitrary<string>,
			fc.constantFrom('', '$', '(?!a)', '|^b', '|a$'),
		)
		.map((parts) => parts.join('')),
})).pattern

const anyText = fc.string({
	unit: fc.constantFrom('a', 'b', 'c', '.', '1', '\n', 'é', '🙂'),
	maxLength: 7,
})

describe('an automaton agrees with the regular expressions of JavaScript', () => {
	test('where a pattern has to match somewhere', () => {
		fc.assert(
			fc.property(anyPattern, fc.array(anyText, { maxLength: 20 }), (pattern, texts) => {
				const dfa = automaton(pattern, searchOf)
				const expected = new RegExp(pattern, 'u')
				for (const text of texts) {
					expect({ text, isMatch: matches(dfa, text) }).toEqual({
						text,
						isMatch: expected.test(text),
					})
				}
			}),
			{ seed: 3, numRuns: 2000 },
		)
	})

	test('where it has to match the whole text', () => {
		fc.assert(
			fc.property(anyPattern, fc.array(anyText, { maxLength: 20 }), (pattern, texts) => {
				const dfa = automaton(pattern, matchOf)
				const expected = new RegExp(`^(?:${pattern})$`, 'u')
				for (const text of texts) {
					expect({ text, isMatch: matches(dfa, text) }).toEqual({
						text,
						isMatch: expected.test(text),
					})
				}
			}),
			{ seed: 4, numRuns: 2000 },
		)
	})

	test('that clients send', () => {
		const patterns = [
			'^[A-Z]{2}\\d{4,}$',
			'^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$',
			'^(?!\\.)(?!.*\\.\\.)([\\w.+-]+)@([A-Za-z0-9][A-Za-z0-9-]*\\.)+[A-Za-z]{2,}$',
			'^[^\\s"]+$',
			'\\S',
			'^(?<year>\\d{4})-(0[1-9]|1[0-2])$',
		]
		const texts = [
			'AB1234',
			'AB123',
			'555-1234',
			'(888)555-1234',
			'a.b@c.de',
			'a..b@c.de',
			' ',
			'x',
			'2024-02',
		]
		for (const pattern of patterns) {
			const dfa = automaton(pattern, searchOf)
			for (const text of texts) expect(matches(dfa, text)).toBe(new RegExp(pattern, 'u').test(text))
		}
	})
})

describe('what is no pattern is told with its place', () => {
	test.each([
		['(a', '"(" without ")"'],
		['a)', '")" without "("'],
		['[a', '"[" without "]"'],
		['*a', 'a quantifier with nothing before it'],
		['a**', 'a quantifier after a quantifier'],
		['a{3,2}', 'out of order'],
		['[b-a]', 'out of order'],
		['[\\d-z]', 'a range between classes'],
		['a\\', 'a backslash at the end'],
		['\\xg0', 'a hexadecimal escape'],
	])('%s', (pattern, message) => {
		expect(() => automaton(pattern, searchOf)).toThrow(message)
		expect(() => automaton(pattern, searchOf)).toThrow(RegexError)
	})
})

describe('what an automaton cannot do, or not within bounds, is refused', () => {
	test.each([
		['(a)\\1', '"\\1"'],
		['\\bword\\b', '"\\b"'],
		['\\p{L}', '"\\p"'],
		['(?<=a)b', 'look-behind'],
		['(?i)a', 'look-behind, flags'],
		['a*+', 'possessive'],
		['(?:a|^b)*', 'repeats a group with an assertion'],
		['a*^b', '"^" after an optional part'],
		['(?:a|b)*a(?:a|b){20}', 'more than 2048 states'],
		['^a{9999}$', 'more than 2048 states'],
		['a{9999}', 'too large an automaton'],
		['('.repeat(40) + ')'.repeat(40), 'nested groups'],
		['a'.repeat(3000), 'longer than 2048 characters'],
	])('%s', (pattern, message) => {
		const start = performance.now()
		expect(() => automaton(pattern, searchOf)).toThrow(message)
		expect(performance.now() - start).toBeLessThan(500)
	})
})

test('an automaton has no dead ends', () => {
	const { start, states } = automaton('^(?=ab)(?!abc)[abc]{3}$', searchOf)
	expect(states).toContain(start!)
	for (const { accepts, next } of states) expect(accepts || next.size > 0).toBe(true)
	expect(automaton('^(?=a)b$', searchOf).start).toBeNull()
})
