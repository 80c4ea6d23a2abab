/** The `openai` package against the compiled server: the Responses API. */
import { afterAll, expect, test } from 'bun:test'
import OpenAI from 'openai'
import type { ResponseStreamEvent } from 'openai/resources/responses/responses'
import { startAlpha } from '../helpers/alpha-server.ts'

const server = await startAlpha()
afterAll(() => server.stop())

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any-key', maxRetries: 0 })

const greedy = { model: 'v2-bpe-chat', input: 'What is your name?', temperature: 0 }

test('openai: responses answer a text', async () => {
	const response = await client.responses.create(greedy)
	expect(response.output_text).toBe('My name is Alpha.')
	expect(response.id).toMatch(/^resp_/)
	expect(response.status).toBe('completed')
	expect(response.usage).toMatchObject({ input_tokens: 8, output_tokens: 12, total_tokens: 20 })
})

test('openai: responses read a conversation and instructions as chat completions do', async () => {
	const messages = [
		{ role: 'user' as const, content: 'Does Finn like cheese?' },
		{ role: 'assistant' as const, content: 'Yes, Finn likes cheese.' },
		{ role: 'user' as const, content: 'Does Ann like rice?' },
	]
	const [response, chat] = await Promise.all([
		client.responses.create({ ...greedy, instructions: 'Be kind.', input: messages }),
		client.chat.completions.create({
			model: greedy.model,
			temperature: 0,
			messages: [{ role: 'system', content: 'Be kind.' }, ...messages],
		}),
	])
	expect(response.output_text).toBe(chat.choices[0]?.message.content ?? '')
	expect(response.usage?.input_tokens).toBe(chat.usage?.prompt_tokens ?? -1)
})

test('openai: responses cut at max_output_tokens are incomplete', async () => {
	const response = await client.responses.create({ ...greedy, max_output_tokens: 3 })
	expect(response.status).toBe('incomplete')
	expect(response.incomplete_details).toEqual({ reason: 'max_output_tokens' })
	expect(response.usage?.output_tokens).toBe(3)
})

test('openai: responses stream their events in order', async () => {
	const events: ResponseStreamEvent[] = []
	for await (const event of await client.responses.create({ ...greedy, stream: true })) {
		events.push(event)
	}
	expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i))
	const types: string[] = events.map(({ type }) => type)
	expect(types.slice(0, 4)).toEqual([
		'response.created',
		'response.in_progress',
		'response.output_item.added',
		'response.content_part.added',
	])
	expect(types.slice(-4)).toEqual([
		'response.output_text.done',
		'response.content_part.done',
		'response.output_item.done',
		'response.completed',
	])
	const deltas = events.filter((event) => event.type === 'response.output_text.delta')
	expect(deltas.length).toBeGreaterThan(1)
	expect(deltas.map(({ delta }) => delta).join('')).toBe('My name is Alpha.')
})

test('openai: the .stream() helper puts a response together', async () => {
	const final = await client.responses.stream(greedy).finalResponse()
	expect(final.output_text).toBe('My name is Alpha.')
	expect(final.usage?.output_tokens).toBe(12)
})

test('openai: responses report log-probabilities', async () => {
	const response = await client.responses.create({
		...greedy,
		include: ['message.output_text.logprobs'],
		top_logprobs: 2,
	})
	const message = response.output[0]
	if (message?.type !== 'message') throw new Error('expected a message')
	const part = message.content[0]
	if (part?.type !== 'output_text') throw new Error('expected a text')
	expect(part.logprobs?.map(({ token }) => token).join('')).toContain('My name is Alpha.')
	expect(part.logprobs?.[0]?.top_logprobs).toHaveLength(2)
})

test.each([
	['previous_response_id', { previous_response_id: 'resp_1' }],
	['conversation', { conversation: 'conv_1' }],
	['background', { background: true }],
])('openai: responses refuse %s, there is no state', async (param, fields) => {
	const error = await client.responses.create({ ...greedy, ...fields }).catch((cause) => cause)
	expect(error).toBeInstanceOf(OpenAI.BadRequestError)
	expect(error.param).toBe(param)
})
