/** `@ai-sdk/openai`, whose default is the Responses API, and `@openai/agents` against the compiled server. */
import { afterAll, describe, expect, test } from 'bun:test'
import { createOpenAI } from '@ai-sdk/openai'
import {
	Agent,
	OpenAIChatCompletionsModel,
	OpenAIResponsesModel,
	run,
	setTracingDisabled,
	tool,
} from '@openai/agents'
import { generateText, jsonSchema, Output, streamText } from 'ai'
import OpenAI from 'openai'
import { z } from 'zod'
import { startAlpha } from '../helpers/alpha-server.ts'

Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })
setTracingDisabled(true)

const server = await startAlpha()
afterAll(() => server.stop())

const baseURL = `${server.url}/v1`
const question = 'What is your name?'
const answer = 'My name is Alpha.'

describe('@ai-sdk/openai', () => {
	const openai = createOpenAI({ baseURL, apiKey: 'any-key' })

	describe.each([
		['responses', openai('v2-bpe-chat')],
		['chat completions', openai.chat('v2-bpe-chat')],
	])('on %s', (_, model) => {
		test('generates a text with usage', async () => {
			const result = await generateText({ model, prompt: question, temperature: 0 })
			expect(result.text).toBe(answer)
			expect(result.finishReason).toBe('stop')
			expect(result.usage).toMatchObject({ inputTokens: 8, outputTokens: 12 })
		})

		test('streams a text with usage', async () => {
			const result = streamText({ model, prompt: question, temperature: 0 })
			let text = ''
			for await (const delta of result.textStream) text += delta
			expect(text).toBe(answer)
			expect((await result.usage).outputTokens).toBe(12)
		})
	})

	test('completes a text', async () => {
		const model = openai.completion('v2-bpe-chat')
		const result = await generateText({
			model,
			prompt: question,
			maxOutputTokens: 4,
			temperature: 0,
		})
		expect(result.usage.outputTokens).toBe(4)
	})

	test.each([
		['responses', openai('novels-austen')],
		['chat completions', openai.chat('novels-austen')],
	])('gets an object by schema on %s', async (_, model) => {
		const schema = jsonSchema<{ married: boolean }>({
			type: 'object',
			properties: { married: { type: 'boolean' } },
			required: ['married'],
			additionalProperties: false,
		})
		const result = await generateText({
			model,
			prompt: 'Who is it?',
			output: Output.object({ schema }),
		})
		expect(typeof result.output.married).toBe('boolean')
	})
})

describe('@openai/agents', () => {
	const client = new OpenAI({ baseURL, apiKey: 'any-key' })

	describe.each([
		['chat completions', OpenAIChatCompletionsModel],
		['responses', OpenAIResponsesModel],
	])('on %s', (_, Model) => {
		const modelSettings = { temperature: 0 }
		const agent = new Agent({
			name: 'Alpha',
			model: new Model(client as never, 'v2-bpe-chat'),
			modelSettings,
		})

		test('runs an agent', async () => {
			const result = await run(agent, question)
			expect(result.finalOutput).toBe(answer)
			expect(result.state.usage.outputTokens).toBe(12)
		})

		test('streams an agent', async () => {
			const result = await run(agent, question, { stream: true })
			let text = ''
			for await (const delta of result.toTextStream()) text += delta
			await result.completed
			expect(text).toBe(answer)
		})

		test('calls a tool that it must call', async () => {
			const amounts: unknown[] = []
			const remember = tool({
				name: 'remember',
				description: 'Remembers an amount.',
				parameters: z.object({ amount: z.number().int() }),
				execute({ amount }) {
					amounts.push(amount)
					return 'Good.'
				},
			})
			const worker = new Agent({
				name: 'Worker',
				model: new Model(client as never, 'novels-austen'),
				modelSettings: { ...modelSettings, toolChoice: 'required' },
				tools: [remember],
				toolUseBehavior: 'stop_on_first_tool',
			})
			expect((await run(worker, 'Add two.')).finalOutput).toBe('Good.')
			expect(amounts).toHaveLength(1)
			expect(Number.isInteger(amounts[0])).toBe(true)
		})
	})
})
