/** Answers that consist of function calls, because the request says so. */
import { describe, expect, test } from 'bun:test'
import { ChatCompletion, ChatCompletionChunk } from '../../src/openai/schemas/chat.ts'
import { ResponseSchema } from '../../src/openai/schemas/responses.ts'
import { violations } from '../helpers/conforms.ts'
import { fakeTokenizer } from '../helpers/fake-catalog.ts'
import { parseSse, readChunks } from '../helpers/read-sse.ts'
import { testApp } from '../helpers/test-app.ts'

const messages = [{ role: 'user', content: 'once' }]
const look = {
	name: 'look',
	description: 'Looks at something.',
	parameters: {
		type: 'object',
		properties: {
			at: { enum: ['sky', 'sea'] },
			times: { type: 'integer', minimum: 1, maximum: 3 },
		},
		required: ['at', 'times'],
		additionalProperties: false,
	},
}
const wait = { name: 'wait_here' }
const tools = [
	{ type: 'function', function: look },
	{ type: 'function', function: wait },
	{ type: 'custom', custom: { name: 'other' } },
]
const lookOnly = { type: 'function', function: { name: 'look' } }

interface Call {
	readonly id: string
	readonly type: string
	readonly function: { readonly name: string; readonly arguments: string }
}

async function complete(body: object) {
	const app = testApp()
	const response = await app.post('/v1/chat/completions', { messages, tools, ...body })
	const answer = await response.json()
	expect(violations(ChatCompletion, answer)).toEqual([])
	const [choice] = answer.choices
	return { app, answer, choice, calls: (choice.message.tool_calls ?? []) as Call[] }
}

/** A look that its schema allows. */
function expectLook(json: string): void {
	const { at, times, ...rest } = JSON.parse(json)
	expect(['sky', 'sea']).toContain(at)
	expect([1, 2, 3]).toContain(times)
	expect(rest).toEqual({})
}

describe('a chat completion', () => {
	test('calls the function that is named, with arguments that fit', async () => {
		const { choice, calls } = await complete({ tool_choice: lookOnly })
		expect(choice.finish_reason).toBe('tool_calls')
		expect(choice.message).toMatchObject({ role: 'assistant', content: null, refusal: null })
		expect(calls).toHaveLength(1)
		expect(calls[0]).toMatchObject({ type: 'function', function: { name: 'look' } })
		expect(calls[0]!.id).toMatch(/^call_[0-9a-f]{32}$/)
		expectLook(calls[0]!.function.arguments)
	})

	test('calls one of the functions when one is required, several only when they are wanted', async () => {
		for (const seed of [1, 2, 3, 4]) {
			const { calls } = await complete({ tool_choice: 'required', seed })
			expect(calls).toHaveLength(1)
		}
		const { choice, calls } = await complete({ tool_choice: 'required', parallel_tool_calls: true })
		expect(choice.finish_reason).toBe('tool_calls')
		expect(calls.length).toBeGreaterThanOrEqual(1)
		expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length)
		for (const call of calls) {
			expect(['look', 'wait_here']).toContain(call.function.name)
			if (call.function.name === 'look') expectLook(call.function.arguments)
			else expect(JSON.parse(call.function.arguments)).toBeInstanceOf(Object)
		}
	})

	test('calls only what is allowed', async () => {
		const allowed_tools = { mode: 'required', tools: [lookOnly] }
		const { calls } = await complete({ tool_choice: { type: 'allowed_tools', allowed_tools } })
		expect(new Set(calls.map((call) => call.function.name))).toEqual(new Set(['look']))
	})

	test('has one call when several are not wanted', async () => {
		const { calls } = await complete({ tool_choice: 'required', parallel_tool_calls: false })
		expect(calls).toHaveLength(1)
	})

	test('is refused where the older field names a function, with the fields that force calls', async () => {
		const body = { messages, functions: [look], function_call: { name: 'look' } }
		const answer = await testApp().post('/v1/chat/completions', body)
		const { error } = await answer.json()
		expect([answer.status, error.param]).toEqual([400, 'function_call'])
		expect(error.message).toEndWith('use `tools` with `tool_choice`.')
	})

	test('has a call with its own id in every choice', async () => {
		const { answer } = await complete({ tool_choice: lookOnly, n: 3 })
		const ids = answer.choices.map(
			(choice: { message: { tool_calls: Call[] } }) => choice.message.tool_calls[0]!.id,
		)
		expect(new Set(ids).size).toBe(3)
	})

	test('is cut at the limit of tokens like a text', async () => {
		const { choice, calls } = await complete({ tool_choice: lookOnly, max_tokens: 1 })
		expect(choice.finish_reason).toBe('length')
		for (const call of calls) expect(call.function.name).toBe('look')
	})

	test.each(['auto', 'none', undefined])(
		'stays a text with tool_choice %p',
		async (tool_choice) => {
			const { choice } = await complete({ tool_choice })
			expect(choice).toMatchObject({ finish_reason: 'stop', message: { content: 'hello world' } })
			expect(choice.message).not.toHaveProperty('tool_calls')
		},
	)

	test('is not cut by stop texts, which agents send for texts', async () => {
		const { calls } = await complete({ tool_choice: lookOnly, stop: ['"', 'Observation:'] })
		expectLook(calls[0]!.function.arguments)
	})

	test('wins over a response format', async () => {
		const { calls } = await complete({
			tool_choice: lookOnly,
			response_format: { type: 'json_object' },
		})
		expectLook(calls[0]!.function.arguments)
	})

	test('streams the same calls in pieces', async () => {
		const app = testApp()
		const body = { messages, tools, tool_choice: 'required', stream: true, seed: 1 }
		const response = await app.post('/v1/chat/completions', body)
		const chunks = await readChunks<typeof ChatCompletionChunk.static>(response)
		for (const chunk of chunks) expect(violations(ChatCompletionChunk, chunk)).toEqual([])
		const deltas = chunks.map((chunk) => chunk.choices[0]!.delta)
		expect(deltas[0]).toEqual({ role: 'assistant', content: null })
		expect(deltas.at(-1)).toEqual({})
		expect(chunks.at(-1)!.choices[0]!.finish_reason).toBe('tool_calls')
		const calls: { id: string; name: string; json: string }[] = []
		for (const { index, id, function: piece } of deltas.flatMap(
			(delta) => delta.tool_calls ?? [],
		)) {
			if (id !== undefined) calls.push({ id, name: piece.name ?? '', json: '' })
			expect(index).toBe(calls.length - 1)
			calls[index]!.json += piece.arguments
		}
		const { calls: whole } = await complete({ tool_choice: 'required', seed: 1 })
		expect(calls.map(({ name, json }) => [name, json])).toEqual(
			whole.map((call) => [call.function.name, call.function.arguments]),
		)
	})

	test('reads a history with calls and their results', async () => {
		const call = { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{}' } }
		const history = [
			{ role: 'user', content: 'a' },
			{ role: 'assistant', content: null, tool_calls: [call] },
			{ role: 'tool', tool_call_id: 'call_1', content: 'blue' },
		]
		const { app } = await complete({ messages: history })
		const { promptTokenIds } = app.catalog.runs[0]!.request
		expect(fakeTokenizer.decode(promptTokenIds)).toBe('a\n\nblue')
	})
})

describe('a response', () => {
	const flat = [
		{ type: 'function', ...look, strict: true },
		{ type: 'function', ...wait, parameters: null, strict: null },
	]

	test('consists of function calls', async () => {
		const body = { input: 'once', tools: flat, tool_choice: { type: 'function', name: 'look' } }
		const response = await (await testApp().post('/v1/responses', body)).json()
		expect(violations(ResponseSchema, response)).toEqual([])
		expect(response).toMatchObject({
			status: 'completed',
			tools: flat,
			tool_choice: body.tool_choice,
			output: [{ type: 'function_call', status: 'completed', name: 'look' }],
		})
		expect(response.output[0].id).toMatch(/^fc_/)
		expect(response.output[0].call_id).toMatch(/^call_/)
		expectLook(response.output[0].arguments)
	})

	test('streams its calls, each with its item', async () => {
		const body = { input: 'once', tools: flat, tool_choice: 'required', stream: true }
		const events = parseSse(await (await testApp().post('/v1/responses', body)).text())
		const payloads = events.map(({ data }) => JSON.parse(data))
		expect(payloads.map((payload) => payload.sequence_number)).toEqual(payloads.map((_, i) => i))
		const added = payloads.filter(({ type }) => type === 'response.output_item.added')
		const done = payloads.filter(({ type }) => type === 'response.output_item.done')
		const { response } = payloads.at(-1)
		expect(payloads.at(-1).type).toBe('response.completed')
		expect(violations(ResponseSchema, response)).toEqual([])
		expect(done.map(({ item }) => item)).toEqual(response.output)
		expect(added.map(({ item }) => item.id)).toEqual(done.map(({ item }) => item.id))
		for (const { item, output_index } of done) {
			const ofItem = payloads.filter(({ item_id }) => item_id === item.id)
			const pieces = ofItem.filter(({ type }) => type === 'response.function_call_arguments.delta')
			expect(pieces.map(({ delta }) => delta).join('')).toBe(item.arguments)
			expect(ofItem.at(-1)).toMatchObject({
				type: 'response.function_call_arguments.done',
				arguments: item.arguments,
				output_index,
			})
		}
	})

	test('that is cut has an incomplete last call', async () => {
		const body = { input: 'a', tools: flat, tool_choice: 'required', max_output_tokens: 1 }
		const response = await (await testApp().post('/v1/responses', body)).json()
		expect(response.status).toBe('incomplete')
		expect(response.output.at(-1)?.status ?? 'incomplete').toBe('incomplete')
	})

	test('reads calls, their results and reasoning in its input', async () => {
		const app = testApp()
		const input = [
			{ role: 'user', content: 'a' },
			{ type: 'reasoning', id: 'rs_1', summary: [] },
			{
				type: 'function_call',
				call_id: 'call_1',
				name: 'look',
				arguments: '{}',
				status: 'completed',
			},
			{
				type: 'function_call_output',
				call_id: 'call_1',
				output: [{ type: 'input_text', text: 'blue' }],
			},
			{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'b' }] },
		]
		await app.post('/v1/responses', { input })
		const { promptTokenIds } = app.catalog.runs[0]!.request
		expect(fakeTokenizer.decode(promptTokenIds)).toBe('a\nblue\nb')
	})

	test('says how to do without stored items', async () => {
		const body = { input: [{ type: 'item_reference', id: 'msg_1' }] }
		const { error } = await (await testApp().post('/v1/responses', body)).json()
		expect(error.message).toContain('store: false')
	})
})

describe('arguments are one JSON object', () => {
	const declarations = [
		{},
		{ parameters: null },
		{ parameters: {} },
		{ parameters: { properties: { at: { type: 'boolean' } }, required: ['at'] } },
		{ parameters: { type: ['object', 'null'] } },
		{ parameters: { anyOf: [{ type: 'object' }, { type: 'array' }] } },
		{ parameters: { $ref: '#/$defs/at', $defs: { at: { enum: [[], {}] } } } },
	]
	test.each(declarations.map((each) => [each]))('of a function with %j', async (declaration) => {
		const named = [{ type: 'function', function: { name: 'go', ...declaration } }]
		const { calls } = await complete({ tools: named, tool_choice: 'required', max_tokens: 200 })
		for (const { function: called } of calls) {
			expect(JSON.parse(called.arguments)).toBeInstanceOf(Object)
			expect(called.arguments).toStartWith('{')
		}
		expect(calls.length).toBeGreaterThan(0)
	})

	test('so parameters of another type are refused', async () => {
		const parameters = { type: 'string' }
		const response = await testApp().post('/v1/chat/completions', {
			messages,
			tools: [{ type: 'function', function: { name: 'go', parameters } }],
			tool_choice: 'required',
		})
		const { error } = await response.json()
		expect([response.status, error.param]).toEqual([400, 'tools[0].function.parameters.type'])
	})
})
