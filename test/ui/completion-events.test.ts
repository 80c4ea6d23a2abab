/** How the page takes an event of a completion apart. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { addCompletionPieces } from '../../src/ui/page/completion-events.js'

type Piece = Parameters<typeof addCompletionPieces>[1][number]
type Top = [token: string, logprob: number][]

interface Token {
	readonly token: string
	readonly logprob: number
	readonly top: Top
}

/** What stands around the alternatives of an event, and what a token may do to it. */
const MARKS = ['"top_logprobs":[{"', '}],"text_offset":[0', '":-1,"', '\\', '"', '7', '__proto__']

const label = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 6 }), fc.constantFrom(...MARKS))
const logprob = fc.double({ min: -50, max: 0, noNaN: true }).map((value) => value + 0)
const token: fc.Arbitrary<Token> = fc.record({
	token: label,
	logprob,
	top: fc
		.uniqueArray(fc.tuple(label, logprob), { maxLength: 6, selector: ([name]) => name })
		.map((top) => top.toSorted((a, b) => b[1] - a[1])),
})

/** A choice as the server writes it. */
function choiceJson(tokens: readonly Token[], index: number): string {
	const text = JSON.stringify(tokens.map((each) => each.token).join(''))
	const list = (values: readonly unknown[]) => JSON.stringify(values)
	const tops = tokens.map(({ top }) => {
		const entries = top.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
		return `{${entries.join(',')}}`
	})
	return `{"index":${index},"text":${text},"logprobs":{"tokens":${list(tokens.map((each) => each.token))},"token_logprobs":${list(tokens.map((each) => each.logprob))},"top_logprobs":[${tops.join(',')}],"text_offset":${list(tokens.map(() => 0))}},"finish_reason":null}`
}

const eventJson = (choices: readonly (readonly Token[])[]) =>
	`{"id":"cmpl-1","choices":[${choices.map(choiceJson).join(',')}]}`

/** What an event tells. */
function piecesOf(json: string): Piece[] {
	const pieces: Piece[] = []
	expect(addCompletionPieces(json, pieces, 0)).toBeNull()
	return pieces
}

/** The tokens of each choice, as they are stored. */
function storedTokens(json: string): Token[][] {
	return piecesOf(json).map(({ tokens }) => JSON.parse(JSON.stringify(tokens)))
}

describe('an event of a completion', () => {
	test('tells the tokens and alternatives that the server has sent, whatever is in their texts', () => {
		const choices = fc.array(fc.array(token, { maxLength: 3 }), { minLength: 1, maxLength: 3 })
		const property = fc.property(choices, (sent) => {
			expect(storedTokens(eventJson(sent))).toEqual(sent.map((tokens) => [...tokens]))
		})
		fc.assert(property, { numRuns: 500, seed: 1 })
	})

	test('tells the alternatives of a single token, the likeliest first, numbers too', () => {
		const top: Top = [
			['two', -0.5],
			['1', -1],
			[' b', -2],
		]
		const json = eventJson([[{ token: '1', logprob: -1, top }]])
		expect(piecesOf(json)[0]?.tokens?.[0]?.top).toEqual(top)
	})

	test('tells its text, whose it is and how it ended, with one token or with several', () => {
		const a: Token = { token: ' a"\n', logprob: -1, top: [[' b', -2]] }
		const said = (json: string) => {
			const [piece] = piecesOf(json)
			return { text: piece?.text, index: piece?.index, reason: piece?.finishReason }
		}
		expect(said(eventJson([[a]]))).toEqual({ text: ' a"\n', index: 0, reason: null })
		expect(said(eventJson([[a, a]]))).toEqual({ text: ' a"\n a"\n', index: 0, reason: null })
		const last = eventJson([[a]]).replace('"finish_reason":null', '"finish_reason":"stop"')
		expect(said(last)).toEqual({ text: ' a"\n', index: 0, reason: 'stop' })
	})

	test('has no tokens where the server tells none', () => {
		const [piece] = piecesOf('{"choices":[{"text":"a","logprobs":null}]}')
		expect(piece).toMatchObject({ text: 'a', tokens: null })
	})

	test('tells how many tokens there were, and how many of the prompt were not read', () => {
		const pieces: Piece[] = []
		const [a, b] = ['{"choices":[],"usage":{"completion_tokens":7}}', '{"choices":[{"text":"a"}]}']
		for (const json of [a, b]) addCompletionPieces(json, pieces, 3)
		expect(pieces).toMatchObject([
			{ text: '', completionTokens: 7, truncatedTokens: 3 },
			{ text: 'a', completionTokens: null, truncatedTokens: 3 },
		])
	})

	test('that tells of a failure says what has failed', () => {
		const pieces: Piece[] = []
		expect(addCompletionPieces('{"error":{"message":"no"}}', pieces, 0)).toBe('no')
		expect(pieces).toEqual([])
	})
})
