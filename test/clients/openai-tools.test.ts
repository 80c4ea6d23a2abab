/** The `openai` package against the compiled server: functions that must be called. */
import { afterAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import OpenAI from 'openai'
import type { ResponseInput } from 'openai/resources/responses/responses'
import { startAlpha } from '../helpers/alpha-server.ts'

// Answers of calls are long.
setDefaultTimeout(60_000)

/** Its vocabulary has quotation marks, which texts within arguments need. */
const model = 'novels-austen'
const server = await startAlpha({ runs: [] })
afterAll(() => server.stop())

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any-key', maxRetries: 0 })

const parameters = {
	type: 'object',
	properties: {
		city: { type: 'string', maxLength: 12 },
		unit: { enum: ['celsius', 'fahrenheit'] },
	},
	required: ['city', 'unit'],
	additionalProperties: false,
}
const weather = { name: 'get_weather', parameters }
const chatTools = [{ type: 'function' as const, function: weather }]
const messages = [{ role: 'user' as const, content: 'Emma' }]

function expectWeather(json: string): void {
	const { city, unit, ...rest } = JSON.parse(json)
	expect(city.length).toBeLessThanOrEqual(12)
	expect(['celsius', 'fahrenheit']).toContain(unit)
	expect(rest).toEqual({})
}

describe.each([1, 2, 3])('with seed %i', (seed) => {
	const asked = { model, messages, tools: chatTools, seed }

	test('a chat calls the named function, whole and streamed alike', async () => {
		const body = {
			...asked,
			tool_choice: { type: 'function' as const, function: { name: weather.name } },
		}
		const whole = await client.chat.completions.create(body)
		const [call] = whole.choices[0]!.message.tool_calls ?? []
		if (call?.type !== 'function') throw new Error('no call')
		expect(whole.choices[0]!.finish_reason).toBe('tool_calls')
		expectWeather(call.function.arguments)
		const streamed = await client.chat.completions.stream(body).finalChatCompletion()
		expect(streamed.choices[0]!.message.tool_calls).toMatchObject([{ function: call.function }])
		expect(streamed.choices[0]!.finish_reason).toBe('tool_calls')
	})

	test('a tool runner runs the function once and reads its result', async () => {
		const asks: string[] = []
		const runner = client.chat.completions.runTools(
			{
				...asked,
				tool_choice: { type: 'function', function: { name: weather.name } },
				tools: [
					{
						type: 'function',
						function: {
							...weather,
							parse: JSON.parse,
							description: 'The weather in a city.',
							function: ({ city }: { city: string }) => {
								asks.push(city)
								return 'sunny'
							},
						},
					},
				],
			},
			{ maxChatCompletions: 2 },
		)
		await runner.done()
		expect(asks).toHaveLength(1)
		expect(runner.messages.at(-1)).toMatchObject({ role: 'tool', content: 'sunny' })
	})

	test('a response calls a function, and the result goes into the next input', async () => {
		const tools = [{ type: 'function' as const, ...weather, strict: true }]
		const body = { model, input: 'Emma', tools, tool_choice: 'required' as const }
		const response = await client.responses.create({ ...body, parallel_tool_calls: false })
		const [call] = response.output
		if (call?.type !== 'function_call') throw new Error('no call')
		expectWeather(call.arguments)
		const input: ResponseInput = [
			{ role: 'user', content: body.input },
			...(response.output as ResponseInput),
			{ type: 'function_call_output', call_id: call.call_id, output: 'sunny' },
		]
		const next = await client.responses.create({ model, input, tools, max_output_tokens: 5 })
		expect(next.output[0]).toMatchObject({ type: 'message' })
	})

	test('a streamed response adds up to its calls', async () => {
		const tools = [{ type: 'function' as const, ...weather, strict: true }]
		const stream = client.responses.stream({
			model,
			input: 'Emma',
			tools,
			tool_choice: { type: 'function', name: weather.name },
		})
		const { output } = await stream.finalResponse()
		expect(output).toHaveLength(1)
		if (output[0]?.type !== 'function_call') throw new Error('no call')
		expectWeather(output[0].arguments)
	})
})
