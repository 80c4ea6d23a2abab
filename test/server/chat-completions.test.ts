import { describe, expect, test } from 'bun:test'
import { ChatCompletion, ChatCompletionChunk } from '../../src/openai/schemas/chat.ts'
import { violations } from '../helpers/conforms.ts'
import { saying } from '../helpers/fake-catalog.ts'
import { readChunks } from '../helpers/read-sse.ts'
import { testApp } from '../helpers/test-app.ts'

const path = '/v1/chat/completions'
const messages = [{ role: 'user', content: 'once' }]

async function complete(body: object, script = saying('hello world')) {
	const app = testApp({ script })
	const response = await app.post(path, { messages, ...body })
	return { app, response, answer: await response.json(), run: app.catalog.runs[0] }
}

async function stream(body: object, script = saying('hi')) {
	const app = testApp({ script })
	const response = await app.post(path, { messages, stream: true, ...body })
	return { app, chunks: await readChunks<ChatCompletionChunk>(response) }
}

describe('one object', () => {
	test('has the documented shape', async () => {
		const { answer } = await complete({})
		expect(violations(ChatCompletion, answer)).toEqual([])
		expect(answer.id).toMatch(/^chatcmpl-[0-9a-f]{32}$/)
		expect(answer.choices[0].message).toEqual({
			role: 'assistant',
			content: 'hello world',
			refusal: null,
		})
		expect(answer.choices[0].finish_reason).toBe('stop')
		expect(answer.usage).toMatchObject({
			prompt_tokens: 4,
			completion_tokens: 11,
			total_tokens: 15,
		})
	})

	test('counts the prompt once for several choices', async () => {
		const { answer } = await complete({ n: 3 })
		expect(answer.choices.map((c: { index: number }) => c.index)).toEqual([0, 1, 2])
		expect(answer.usage).toMatchObject({ prompt_tokens: 4, completion_tokens: 33 })
	})

	test('is the same at the alias without /v1', async () => {
		const response = await testApp().post('/chat/completions', { messages })
		expect((await response.json()).choices[0].message.content).toBe('hello world')
	})

	test('says length when the limit was met', async () => {
		const { answer } = await complete({ max_tokens: 3 })
		expect(answer.choices[0]).toMatchObject({
			message: { content: 'hel' },
			finish_reason: 'length',
		})
	})

	test('ends before a stop text that spans tokens, and counts its tokens', async () => {
		const { answer, app } = await complete({ stop: ['zz', 'o w'] })
		expect(answer.choices[0]).toMatchObject({
			message: { content: 'hell' },
			finish_reason: 'stop',
		})
		expect(answer.usage.completion_tokens).toBe(7)
		expect(app.catalog.leaseCount()).toBe(0)
	})

	test('keeps the stop text when asked to', async () => {
		const { answer } = await complete({ stop: 'o w', include_stop_str_in_output: true })
		expect(answer.choices[0].message.content).toBe('hello w')
	})

	test('reports one log-probability per token', async () => {
		const { answer } = await complete({ logprobs: true, top_logprobs: 2, max_tokens: 3 })
		const { content } = answer.choices[0].logprobs
		expect(content.map((entry: { token: string }) => entry.token)).toEqual(['h', 'e', 'l'])
		expect(content[0]).toMatchObject({ logprob: -0.5, bytes: [104] })
		expect(content[0].top_logprobs).toHaveLength(2)
		expect(violations(ChatCompletion, answer)).toEqual([])
	})

	test('reports the true bytes of a character', async () => {
		const { answer } = await complete({ logprobs: true }, saying('é'))
		expect(answer.choices[0].logprobs.content[0]).toMatchObject({ token: 'é', bytes: [195, 169] })
	})

	test('says how much of a prompt was cut off', async () => {
		const long = [{ role: 'user', content: 'a'.repeat(70) }]
		const { response } = await complete({ messages: long })
		expect(response.headers.get('x-alpha-truncated-prompt-tokens')).toBe('7')
	})

	test('is valid JSON when a format asks for it', async () => {
		const schema = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] }
		const format = { type: 'json_schema', json_schema: { name: 'x', schema } }
		const { answer, run } = await complete({ response_format: format })
		expect(run?.request.constrained).toBe(true)
		expect(answer.choices[0].finish_reason).toBe('stop')
		expect(JSON.parse(answer.choices[0].message.content)).toHaveProperty('a')
	})
})

describe('what reaches the engine', () => {
	test('defaults', async () => {
		const { run } = await complete({})
		expect(run?.request).toMatchObject({
			n: 1,
			maxTokens: 2048,
			stopTokenIds: [],
			minTokens: 0,
			logprobs: null,
			promptLogprobs: null,
			truncation: 'auto',
			constrained: false,
			sampling: {
				temperature: 0.7,
				topK: 40,
				topP: 1,
				minP: 0,
				repetitionPenalty: 1,
				presencePenalty: 0,
				frequencyPenalty: 0,
				logitBias: [],
			},
		})
	})

	for (const [field, value, expected] of [
		['max_tokens', 5000, { maxTokens: 2048 }],
		['max_tokens', 1e300, { maxTokens: 2048 }],
		['max_tokens', 7, { maxTokens: 7 }],
		['max_completion_tokens', 9, { maxTokens: 9 }],
		['temperature', 0, { sampling: { temperature: 0 } }],
		['top_p', 0, { sampling: { topP: 0 } }],
		['top_k', -1, { sampling: { topK: 0 } }],
		['min_p', 0.1, { sampling: { minP: 0.1 } }],
		['seed', -5, { sampling: { seed: -5 } }],
		['presence_penalty', -2, { sampling: { presencePenalty: -2 } }],
		['frequency_penalty', 1.5, { sampling: { frequencyPenalty: 1.5 } }],
		['repetition_penalty', 1.2, { sampling: { repetitionPenalty: 1.2 } }],
		['repeat_penalty', 1.3, { sampling: { repetitionPenalty: 1.3 } }],
		['logit_bias', { 3: -100 }, { sampling: { logitBias: [[3, -100]] } }],
		['min_tokens', 4, { minTokens: 4 }],
		['stop_token_ids', [2, 3, 999_999], { stopTokenIds: [2, 3] }],
		['truncation', 'disabled', { truncation: 'disabled' }],
	] as const) {
		test(`${field} ${JSON.stringify(value)}`, async () => {
			const { run } = await complete({ [field]: value })
			expect(run?.request).toMatchObject(expected as object)
		})
	}

	test('max_completion_tokens wins over max_tokens', async () => {
		const { run } = await complete({ max_completion_tokens: 3, max_tokens: 9 })
		expect(run?.request.maxTokens).toBe(3)
	})

	test('parts give the tokens of the joined text', async () => {
		const parts = [
			{ type: 'text', text: 'on' },
			{ type: 'text', text: 'ce' },
		]
		const whole = await complete({})
		const joined = await complete({ messages: [{ role: 'user', content: parts }] })
		expect(joined.run!.request.promptTokenIds).toEqual(whole.run!.request.promptTokenIds)
	})

	test('requests without a seed differ in it', async () => {
		const seeds = [await complete({}), await complete({})].map((c) => c.run!.request.sampling.seed)
		expect(seeds[0]).not.toBe(seeds[1])
	})

	test('an assistant without content is read as empty', async () => {
		const history = [...messages, { role: 'assistant', content: null, tool_calls: [] }, ...messages]
		const { response } = await complete({ messages: history, tools: [{}], tool_choice: 'auto' })
		expect(response.status).toBe(200)
	})

	test('a prompt without tokens starts from the start token', async () => {
		const { run, answer } = await complete({ messages: [{ role: 'user', content: '' }] })
		expect(run?.request).toMatchObject({ promptTokenIds: [0], promptIsStartToken: true })
		expect(answer.usage.prompt_tokens).toBe(0)
	})
})

describe('a stream', () => {
	test('sends the role once, then text, one finish with usage, [DONE]', async () => {
		const { chunks } = await stream({})
		for (const chunk of chunks) expect(violations(ChatCompletionChunk, chunk)).toEqual([])
		expect(chunks.map((chunk) => chunk.choices[0]!.delta)).toEqual([
			{ role: 'assistant', content: '' },
			{ content: 'h' },
			{ content: 'i' },
			{},
		])
		expect(chunks.map((chunk) => chunk.choices[0]!.finish_reason)).toEqual([
			null,
			null,
			null,
			'stop',
		])
		expect(chunks.map((chunk) => chunk.usage?.total_tokens)).toEqual([
			undefined,
			undefined,
			undefined,
			6,
		])
		expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1)
	})

	test('opens the choices in order and carries usage once, at the very end', async () => {
		const { chunks } = await stream({ n: 2 })
		expect(chunks.slice(0, 2).map((chunk) => chunk.choices[0]!.index)).toEqual([0, 1])
		const roles = chunks.filter((chunk) => chunk.choices[0]!.delta.role !== undefined)
		expect(roles).toHaveLength(2)
		const finishes = chunks.filter((chunk) => chunk.choices[0]!.finish_reason !== null)
		expect(finishes).toHaveLength(2)
		expect(chunks.filter((chunk) => chunk.usage)).toEqual([chunks.at(-1)!])
	})

	test('with include_usage ends in a chunk without choices', async () => {
		const { chunks } = await stream({ stream_options: { include_usage: true } })
		expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 6 } })
		expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
		expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe('stop')
	})

	test('holds back what could become a stop text', async () => {
		const { chunks } = await stream({ stop: 'lld' }, saying('hello worlld'))
		const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
		expect(text).toBe('hello wor')
		expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('stop')
	})

	test('joins to the same text as one object', async () => {
		const text = 'the dog, 😀é. ends'
		const { chunks } = await stream({}, saying(text))
		expect(chunks.map((chunk) => chunk.choices[0]!.delta.content ?? '').join('')).toBe(text)
	})

	test('reports each token’s log-probability once', async () => {
		const { chunks } = await stream({ logprobs: true, stop: 'zz' }, saying('hello'))
		const tokens = chunks.flatMap((chunk) => chunk.choices[0]!.logprobs?.content ?? [])
		expect(tokens.map(({ token }) => token).join('')).toBe('hello')
	})
})
