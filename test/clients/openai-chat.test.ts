/** The `openai` package against the compiled server: chat completions, streams, models. */
import { afterAll, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import { startAlpha } from '../helpers/alpha-server.ts'

const server = await startAlpha({ runs: ['v2-bpe-chat', 'v1-char'] })
afterAll(() => server.stop())

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any-key', maxRetries: 0 })

const question = [{ role: 'user' as const, content: 'What is your name?' }]
const greedy = { model: 'v2-bpe-chat', messages: question, temperature: 0 }

async function collect(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
	const chunks: ChatCompletionChunk[] = []
	for await (const chunk of stream) chunks.push(chunk)
	return chunks
}

function textOf(chunks: readonly ChatCompletionChunk[], choice = 0): string {
	const deltas = chunks.flatMap(({ choices }) => choices).filter(({ index }) => index === choice)
	return deltas.map(({ delta }) => delta.content ?? '').join('')
}

describe('openai: models', () => {
	test('lists the runs and the embedded model, newest first', async () => {
		const { data } = await client.models.list()
		expect(data.map(({ id }) => id)).toEqual(['v2-bpe-chat', 'v1-char', 'novels-austen'])
		const createdInSeconds = Date.UTC(2026, 0, 1, 0, 0, 2) / 1000
		expect(data[0]).toMatchObject({
			object: 'model',
			created: createdInSeconds,
			owned_by: 'alpha',
		})
	})

	test('retrieves one model', async () => {
		const { id, object } = await client.models.retrieve('v1-char')
		expect({ id, object }).toEqual({ id: 'v1-char', object: 'model' })
	})
})

describe('openai: chat completions', () => {
	test('answers with the text that the model was trained to say', async () => {
		const completion = await client.chat.completions.create(greedy)
		expect(completion.choices[0]).toMatchObject({
			index: 0,
			message: { role: 'assistant', content: 'My name is Alpha.' },
			finish_reason: 'stop',
		})
		expect(completion.id).toMatch(/^chatcmpl-/)
		expect(completion.model).toBe('v2-bpe-chat')
		expect(completion.usage).toMatchObject({
			prompt_tokens: 8,
			completion_tokens: 12,
			total_tokens: 20,
		})
		expect(completion._request_id).toMatch(/\S/)
	})

	test('takes the first model when none is named', async () => {
		// The seed's own examples leave `model` out, which the types of the package do not allow.
		const body = { messages: question, temperature: 0 } as typeof greedy
		expect((await client.chat.completions.create(body)).model).toBe('v2-bpe-chat')
	})

	test('reads content parts as the joined text', async () => {
		const parts = ['What is ', 'your name?'].map((text) => ({ type: 'text' as const, text }))
		const completion = await client.chat.completions.create({
			...greedy,
			messages: [{ role: 'user', content: parts }],
		})
		expect(completion.choices[0]?.message.content).toBe('My name is Alpha.')
		expect(completion.usage?.prompt_tokens).toBe(8)
	})

	test('gives n choices from different draws, the same for the same seed', async () => {
		const body = { ...greedy, temperature: 1, n: 4, seed: 7, max_completion_tokens: 24 }
		const texts = async () =>
			(await client.chat.completions.create(body)).choices.map(({ message }) => message.content)
		const first = await texts()
		expect(new Set(first).size).toBeGreaterThan(1)
		expect(await texts()).toEqual(first)
	})

	test('ends before a stop text and counts its tokens', async () => {
		const completion = await client.chat.completions.create({ ...greedy, stop: [' is'] })
		expect(completion.choices[0]).toMatchObject({
			message: { content: 'My name' },
			finish_reason: 'stop',
		})
	})

	test('ends at max_completion_tokens with finish_reason length', async () => {
		const completion = await client.chat.completions.create({
			...greedy,
			max_completion_tokens: 3,
		})
		expect(completion.choices[0]?.finish_reason).toBe('length')
		expect(completion.usage?.completion_tokens).toBe(3)
	})

	test('clamps max_tokens to 2048', async () => {
		const completion = await client.chat.completions.create({
			...greedy,
			max_tokens: 1_000_000,
			// @ts-expect-error: an extension of vLLM and llama.cpp
			ignore_eos: true,
		})
		expect(completion.usage?.completion_tokens).toBe(2048)
	})

	test('reports log-probabilities of each token with alternatives', async () => {
		const completion = await client.chat.completions.create({
			...greedy,
			logprobs: true,
			top_logprobs: 3,
		})
		const content = completion.choices[0]?.logprobs?.content ?? []
		expect(content.map(({ token }) => token).join('')).toContain('My name is Alpha.')
		for (const { logprob, top_logprobs } of content) {
			expect(logprob).toBeLessThanOrEqual(0)
			expect(top_logprobs).toHaveLength(3)
			// Greedy: what was taken is the most likely one.
			expect(top_logprobs[0]?.logprob).toBe(logprob)
		}
	})

	test('holds the text to a JSON schema', async () => {
		const schema = {
			type: 'object',
			properties: { name: { type: 'string', maxLength: 8 }, old: { type: 'boolean' } },
			required: ['name', 'old'],
			additionalProperties: false,
		}
		const completion = await client.chat.completions.create({
			...greedy,
			// The small model's vocabulary has no quotation mark.
			model: 'novels-austen',
			response_format: { type: 'json_schema', json_schema: { name: 'person', schema } },
		})
		const { message, finish_reason } = completion.choices[0]!
		expect(finish_reason).toBe('stop')
		const person = JSON.parse(message.content ?? '')
		expect(Object.keys(person)).toEqual(['name', 'old'])
		expect(typeof person.old).toBe('boolean')
	})
})

describe('openai: chat completion streams', () => {
	test('streams the text of the answer in several chunks', async () => {
		const chunks = await collect(await client.chat.completions.create({ ...greedy, stream: true }))
		expect(textOf(chunks)).toBe('My name is Alpha.')
		expect(chunks.length).toBeGreaterThan(3)
		expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
	})

	test('sends the role first, and finish_reason and usage in the last chunk', async () => {
		const chunks = await collect(await client.chat.completions.create({ ...greedy, stream: true }))
		expect(chunks[0]?.choices[0]?.delta).toEqual({ role: 'assistant', content: '' })
		const laterRoles = chunks.slice(1).map(({ choices }) => choices[0]?.delta.role)
		expect(laterRoles.filter((role) => role !== undefined)).toEqual([])
		const last = chunks.at(-1)
		expect(last?.choices[0]?.finish_reason).toBe('stop')
		expect(last?.usage?.completion_tokens).toBe(12)
		expect(chunks.filter(({ usage }) => usage)).toHaveLength(1)
	})

	test('with include_usage sends usage in a chunk of its own', async () => {
		const chunks = await collect(
			await client.chat.completions.create({
				...greedy,
				stream: true,
				stream_options: { include_usage: true },
			}),
		)
		expect(chunks.at(-1)?.choices).toEqual([])
		expect(chunks.at(-1)?.usage?.total_tokens).toBe(20)
		expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop')
		expect(chunks.slice(0, -1).every(({ usage }) => usage === null)).toBe(true)
	})

	test('streams n choices that are those of the answer in one piece', async () => {
		const body = { ...greedy, temperature: 1, n: 3, seed: 11, max_tokens: 40 }
		const whole = await client.chat.completions.create(body)
		const chunks = await collect(await client.chat.completions.create({ ...body, stream: true }))
		for (const { index, message } of whole.choices) {
			expect(textOf(chunks, index)).toBe(message.content ?? '')
		}
	})

	test('the .stream() helper puts the message together', async () => {
		const deltas: string[] = []
		const stream = client.chat.completions
			.stream({ ...greedy, n: 2, stream_options: { include_usage: true } })
			.on('content', (delta) => deltas.push(delta))
		const final = await stream.finalChatCompletion()
		expect(final.choices.map(({ message }) => message.content)).toEqual([
			'My name is Alpha.',
			'My name is Alpha.',
		])
		expect(final.choices[0]?.finish_reason).toBe('stop')
		expect(deltas.length).toBeGreaterThan(1)
		expect((await stream.totalUsage()).completion_tokens).toBe(24)
	})

	test('streams log-probabilities, one entry per token', async () => {
		const body = { ...greedy, logprobs: true, top_logprobs: 2 }
		const whole = await client.chat.completions.create(body)
		const chunks = await collect(await client.chat.completions.create({ ...body, stream: true }))
		const streamed = chunks.flatMap(({ choices }) => choices[0]?.logprobs?.content ?? [])
		expect(streamed).toEqual(whole.choices[0]?.logprobs?.content ?? [])
	})
})
