import { describe, expect, test } from 'bun:test'
import { ResponseSchema } from '../../src/openai/schemas/responses.ts'
import { violations } from '../helpers/conforms.ts'
import { fakeTokenizer, saying } from '../helpers/fake-catalog.ts'
import { parseSse } from '../helpers/read-sse.ts'
import { testApp } from '../helpers/test-app.ts'

const path = '/v1/responses'

test('a text is answered by one message', async () => {
	const response = await (await testApp().post(path, { input: 'once' })).json()
	expect(violations(ResponseSchema, response)).toEqual([])
	expect(response).toMatchObject({
		object: 'response',
		status: 'completed',
		incomplete_details: null,
		output: [{ type: 'message', content: [{ type: 'output_text', text: 'hello world' }] }],
		usage: { input_tokens: 4, output_tokens: 11, total_tokens: 15 },
		store: false,
	})
})

test('a limit makes it incomplete', async () => {
	const body = { input: 'once', max_output_tokens: 2 }
	const response = await (await testApp().post(path, body)).json()
	expect(response).toMatchObject({
		status: 'incomplete',
		incomplete_details: { reason: 'max_output_tokens' },
		output: [{ status: 'incomplete' }],
	})
})

test('instructions come before the input', async () => {
	const app = testApp()
	const input = [{ role: 'user', content: [{ type: 'input_text', text: 'b' }] }]
	await app.post(path, { input, instructions: 'a', store: true, tools: [{}] })
	expect(app.catalog.runs[0]!.request.promptTokenIds).toEqual(fakeTokenizer.encode('a\nb'))
})

test('log-probabilities come when included by name', async () => {
	const body = { input: 'a', include: ['message.output_text.logprobs'], max_output_tokens: 2 }
	const response = await (await testApp().post(path, body)).json()
	expect(response.output[0].content[0].logprobs).toHaveLength(2)
})

test('a format holds the text', async () => {
	const format = { type: 'json_schema', name: 'x', schema: { enum: ['a', 'b'] } }
	const response = await (await testApp().post(path, { input: 'a', text: { format } })).json()
	expect(['a', 'b']).toContain(JSON.parse(response.output[0].content[0].text))
})

describe('a stream', () => {
	test('builds the response event by event without a gap', async () => {
		const app = testApp({ script: saying('hi') })
		const response = await app.post(path, { input: 'once', stream: true })
		const events = parseSse(await response.text())
		const payloads = events.map(({ data }) => JSON.parse(data))
		expect(events.map(({ event }) => event)).toEqual([
			'response.created',
			'response.in_progress',
			'response.output_item.added',
			'response.content_part.added',
			'response.output_text.delta',
			'response.output_text.delta',
			'response.output_text.done',
			'response.content_part.done',
			'response.output_item.done',
			'response.completed',
		])
		expect(payloads.map(({ type }) => type)).toEqual(events.map(({ event }) => event))
		expect(payloads.map((payload) => payload.sequence_number)).toEqual(payloads.map((_, i) => i))
		expect(payloads[4].delta + payloads[5].delta).toBe('hi')
		expect(payloads[6].text).toBe('hi')
		const ids = [payloads[2].item.id, payloads[4].item_id, payloads[8].item.id]
		expect(new Set(ids).size).toBe(1)
		const last = payloads.at(-1).response
		expect(last.id).toBe(payloads[0].response.id)
		expect(last.output[0]).toEqual(payloads[8].item)
		expect(violations(ResponseSchema, last)).toEqual([])
	})

	test('ends as incomplete at a limit', async () => {
		const app = testApp({ script: saying('hi') })
		const body = { input: 'once', stream: true, max_output_tokens: 1 }
		const events = parseSse(await (await app.post(path, body)).text())
		expect(events.at(-1)!.event).toBe('response.incomplete')
	})

	test('tells of a failure by an error event', async () => {
		const app = testApp({ script: (run) => run.fail(new Error('x')) })
		const events = parseSse(await (await app.post(path, { input: 'a', stream: true })).text())
		expect(events.at(-1)!.event).toBe('error')
		expect(JSON.parse(events.at(-1)!.data)).toMatchObject({
			type: 'error',
			code: 'internal_error',
			sequence_number: 4,
		})
	})
})
