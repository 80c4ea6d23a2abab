/** How the page takes an event of a completion apart. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { parseCompletionChunk } from '../../src/ui/page/completion-events.js'

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

/** The tokens of each choice, as they are stored. */
function storedDetails(json: string): Token[][] {
	const { choices } = parseCompletionChunk(json)
	return choices.map(({ details }: { details: Token[] }) => JSON.parse(JSON.stringify(details)))
}

describe('an event of a completion', () => {
	test('tells the tokens and alternatives that the server has sent, whatever is in their texts', () => {
		const choices = fc.array(fc.array(token, { maxLength: 3 }), { maxLength: 3 })
		const property = fc.property(choices, (sent) => {
			expect(storedDetails(eventJson(sent))).toEqual(sent.map((tokens) => [...tokens]))
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
		expect(parseCompletionChunk(json).choices[0].details[0].top).toEqual(top)
	})

	test('tells its text, whose it is and how it ended, with one token or with several', () => {
		const a: Token = { token: ' a"\n', logprob: -1, top: [[' b', -2]] }
		const said = (json: string) => {
			const { text, index, finish_reason: reason } = parseCompletionChunk(json).choices[0]
			return { text, index, reason }
		}
		expect(said(eventJson([[a]]))).toEqual({ text: ' a"\n', index: 0, reason: null })
		expect(said(eventJson([[a, a]]))).toEqual({ text: ' a"\n a"\n', index: 0, reason: null })
		const last = eventJson([[a]]).replace('"finish_reason":null', '"finish_reason":"stop"')
		expect(said(last)).toEqual({ text: ' a"\n', index: 0, reason: 'stop' })
	})

	test('has no tokens where the server tells none', () => {
		const { choices } = parseCompletionChunk('{"choices":[{"text":"a","logprobs":null}]}')
		expect(choices[0].details).toBeUndefined()
		expect(parseCompletionChunk('{"choices":[],"usage":{}}').choices).toEqual([])
		expect(parseCompletionChunk('{"error":{"message":"no"}}').error.message).toBe('no')
	})
})
