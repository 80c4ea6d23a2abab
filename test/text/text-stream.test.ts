import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { stopTexts } from '../../src/text/stop-matcher.ts'
import { TextStream, type TextStreamOptions } from '../../src/text/text-stream.ts'
import { loadTokenizer } from '../tokenizer/fixture-tokenizers.ts'

type Options = Omit<TextStreamOptions, 'decoder' | 'stop'> & { stop?: readonly string[] }

/** Pushes texts as if each were one token. */
function run(pieces: readonly string[], options: Options) {
	const decoder = { push: (id: number) => pieces[id]!, flush: () => '', isAfterWord: false }
	const stream = new TextStream({ decoder, ...options, stop: stopTexts(options.stop ?? []) })
	const deltas: string[] = []
	const tokens: { index: number; offset: number }[] = []
	let stopped = false
	for (let id = 0; id < pieces.length && !stopped; id++) {
		const delta = stream.push(id)
		deltas.push(delta.text)
		tokens.push(...delta.tokens.map(({ index, offset }) => ({ index, offset })))
		stopped = delta.stopped
	}
	const rest = stream.finish()
	return { deltas, text: deltas.join('') + rest.text, tokens: [...tokens, ...rest.tokens], stopped }
}

/** The definition: the match that ends first, of those the one that starts first. */
function naiveMatch(text: string, stop: readonly string[], endMin: number) {
	for (let end = endMin; end <= text.length; end++) {
		for (let start = 0; start < end; start++) {
			if (stop.includes(text.slice(start, end))) return { start, end }
		}
	}
	return undefined
}

test('text passes through without stop strings, token by token', () => {
	const { deltas, tokens } = run(['a', '', 'bc'], {})
	expect(deltas).toEqual(['a', '', 'bc'])
	expect(tokens).toEqual([
		{ index: 0, offset: 0 },
		{ index: 1, offset: 1 },
		{ index: 2, offset: 1 },
	])
})

test('a stop string that spans tokens is held back and never leaks', () => {
	const { deltas, stopped } = run(['Hi', '\n', 'us', 'er:', ' x'], { stop: ['\nuser:'] })
	expect(deltas).toEqual(['Hi', '', '', ''])
	expect(stopped).toBe(true)
})

test('held text is returned as soon as it is no stop string', () => {
	expect(run(['Hi', '\n', 'us', 'ed'], { stop: ['\nuser:'] }).deltas).toEqual([
		'Hi',
		'',
		'',
		'\nused',
	])
})

test('held text is returned at the end', () => {
	const { deltas, text, stopped } = run(['Hi', '\nuse'], { stop: ['\nuser:'] })
	expect(deltas).toEqual(['Hi', ''])
	expect(text).toBe('Hi\nuse')
	expect(stopped).toBe(false)
})

test('a stop string inside one token cuts it, what follows is dropped', () => {
	const options = { stop: ['. '] }
	expect(run(['one', ' two. three'], options).text).toBe('one two')
	expect(run(['one', ' two. three'], { ...options, includeStop: true }).text).toBe('one two. ')
})

test('a text that begins with a stop string is empty', () => {
	expect(run(['ab', 'c'], { stop: ['abc'] })).toMatchObject({ text: '', tokens: [], stopped: true })
})

test('of two stop strings that end together the longer one counts', () => {
	expect(run(['xabc'], { stop: ['bc', 'abc'] }).text).toBe('x')
})

test('empty and half-character stop strings never match', () => {
	expect(run(['a🙂b'], { stop: ['', '\ude42', '\ud83d'] }).deltas).toEqual(['a🙂b'])
})

test('tokens inside the cut are not reported, a token with a returned part is', () => {
	const { tokens } = run(['one', ' t', 'wo', '. three'], { stop: ['wo.'] })
	expect(tokens.map(({ index }) => index)).toEqual([0, 1])
	expect(run(['one', ' two', '. x'], { stop: ['wo.'] }).tokens).toEqual([
		{ index: 0, offset: 0 },
		{ index: 1, offset: 3 },
	])
})

test('stop strings count from minTokens on', () => {
	expect(run(['a', 'b', 'a', 'b', 'c'], { stop: ['b'], minTokens: 3 }).text).toBe('aba')
	expect(run(['a', 'a', 'a', 'a'], { stop: ['aa'], minTokens: 3 }).text).toBe('a')
})

test('the blank after the role is dropped once', () => {
	expect(run(['', '  a', ' b'], { skipsLeadingBlank: true }).text).toBe(' a b')
	expect(run(['a', ' b'], { skipsLeadingBlank: true }).text).toBe('a b')
})

test('a push after the stop breaks the contract', () => {
	const decoder = { push: () => 'x', flush: () => '', isAfterWord: false }
	const stream = new TextStream({ decoder, stop: stopTexts(['x']) })
	expect(stream.push(0).stopped).toBe(true)
	expect(() => stream.push(0)).toThrow(/invariant/)
	expect(stream.finish().text).toBe('')
})

const letters = (maxLength: number) =>
	fc.string({ unit: fc.constantFrom('a', 'b', '🙂', '🙃'), maxLength })

test('any text, tokens and stop strings give what a search over the whole text gives', () => {
	let stops = 0
	fc.assert(
		fc.property(
			fc.array(letters(4), { maxLength: 12 }),
			fc.array(letters(4), { maxLength: 4 }),
			fc.boolean(),
			fc.nat(6),
			(pieces, stop, includeStop, minTokens) => {
				const text = pieces.join('')
				const result = run(pieces, { stop, includeStop, minTokens })
				// A match counts when the token that completes it is at least token number minTokens.
				const endMin = 1 + pieces.slice(0, Math.max(0, minTokens - 1)).join('').length
				const wanted = naiveMatch(text, stop, endMin)
				const end = wanted && (includeStop ? wanted.end : wanted.start)
				expect(result.text).toBe(text.slice(0, end))
				expect(result.stopped).toBe(wanted !== undefined)
				expect(result.deltas.every((delta) => delta.isWellFormed())).toBe(true)
				expect(result.tokens.map(({ index }) => index)).toEqual([...result.tokens.keys()])
				for (const { index, offset } of result.tokens) {
					expect(offset).toBe([...pieces.slice(0, index).join('')].length)
				}
				if (!result.stopped) expect(result.tokens).toHaveLength(pieces.length)
				if (result.stopped) stops++
			},
		),
		{ seed: 3, numRuns: 5000 },
	)
	expect(stops).toBeGreaterThan(500)
})

test('nothing that could still be a stop string has been returned after any token', () => {
	fc.assert(
		fc.property(fc.array(letters(3), { maxLength: 8 }), letters(6), (pieces, stop) => {
			fc.pre(stop !== '')
			const { deltas } = run(pieces, { stop: [stop] })
			const returned = deltas.join('')
			const read = pieces.slice(0, deltas.length).join('')
			for (let length = 1; length <= stop.length; length++) {
				if (!read.endsWith(stop.slice(0, length))) continue
				expect(returned.length).toBeLessThanOrEqual(read.length - length)
			}
		}),
		{ seed: 5, numRuns: 3000 },
	)
})

test('long stop strings of one letter cost linear time', () => {
	const stop = ['a'.repeat(5000), `${'a'.repeat(4999)}b`]
	const pieces = Array(200_000).fill('a').fill('c', 4990, 4991)
	const started = performance.now()
	const { stopped } = run(pieces, { stop })
	expect(stopped).toBe(true)
	expect(performance.now() - started).toBeLessThan(2000)
})

test('finds a stop string across the blanks that a word tokenizer puts between words', () => {
	const tokenizer = loadTokenizer('v1-word')
	const stream = new TextStream({
		decoder: tokenizer.createDecoder(),
		stop: stopTexts(['\nDm7 G']),
	})
	const deltas = tokenizer.encode('D G7 C Cm\nDm7 G7').map((id) => stream.push(id))
	expect(deltas.map(({ text }) => text)).toEqual(['D', ' G7', ' C', ' Cm', '', '', ''])
	expect(deltas.at(-1)?.stopped).toBe(true)
})
