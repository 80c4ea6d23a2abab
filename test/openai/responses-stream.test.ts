import { expect, test } from 'bun:test'
import { finish } from '../../src/lib/steps.ts'
import { ResponseStream } from '../../src/openai/responses-stream.ts'
import { fakeTokenizer } from '../helpers/fake-catalog.ts'

const labelOf = (id: number) => fakeTokenizer.tokenText(id, false)

function tokensOf(count: number) {
	return Array.from({ length: count }, (_, i) => ({
		tokenId: i % 3,
		offset: i,
		isAfterWord: false,
		logprob: {
			logprob: -1 / (i + 1),
			rank: 1,
			top: Array.from({ length: 20 }, (_, at) => [at % 3, -at] as [number, number]),
		},
	}))
}

/** A stream that has told a text of so many tokens. */
function streamOf(count: number): ResponseStream {
	let ids = 0
	const head = {
		id: 'resp_1',
		newId: (prefix: string) => `${prefix}${++ids}`,
		createdAt: 1,
		model: 'm',
		body: { input: 'a', top_logprobs: 20 },
		logprobsTokenizer: fakeTokenizer,
	}
	const stream = new ResponseStream(head, () => 2)
	stream.open()
	stream.prompt({ type: 'prompt', choice: 0, promptTokens: 1, cachedTokens: 0, logprobs: null })
	const tokens = tokensOf(count)
	const text = tokens.map(({ tokenId }) => labelOf(tokenId)).join('')
	stream.event({ type: 'text', choice: 0, text, tokens, tokenIds: [] })
	stream.event({
		type: 'finish',
		choice: 0,
		finishReason: 'stop',
		completionTokens: count,
		tokenIds: [],
		stopToken: null,
	})
	return stream
}

function stepsOf(count: number) {
	const closing = streamOf(count).close()
	if (typeof closing === 'string') throw new Error('expected steps, got a text')
	return closing
}

test('the end of a stream repeats text and log-probabilities in each of its four events', () => {
	const events = finish(stepsOf(5))
		.split('\n\n')
		.filter((event) => event !== '')
		.map((event) => JSON.parse(event.slice(event.indexOf('data: ') + 6)))
	const [text, part, item, response] = events
	expect(events.map(({ type }) => type)).toEqual([
		'response.output_text.done',
		'response.content_part.done',
		'response.output_item.done',
		'response.completed',
	])
	expect([text.text, text.logprobs.length]).toEqual([[0, 1, 2, 0, 1].map(labelOf).join(''), 5])
	expect(text.logprobs[4]).toMatchObject({ token: labelOf(1), logprob: -0.2 })
	expect(part.part.logprobs).toEqual(text.logprobs)
	expect(item.item.content).toEqual([part.part])
	expect(response.response.output).toEqual([item.item])
})

test('a long end is made in many steps', () => {
	const steps = stepsOf(1000)
	let count = 0
	while (!steps.next().done) count++
	expect(count).toBeGreaterThan(100)
})
