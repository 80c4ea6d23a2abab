/** The Vercel AI SDK with `@ai-sdk/openai-compatible` against the compiled server. */
import { afterAll, expect, test } from 'bun:test'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { APICallError, embedMany, generateText, jsonSchema, Output, streamText } from 'ai'
import { startAlpha } from '../helpers/alpha-server.ts'
import { engineStops } from './engine-load.ts'

// What a provider does not pass on is its business, not this server's.
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false })

const server = await startAlpha()
afterAll(() => server.stop())

const alpha = createOpenAICompatible({
	name: 'alpha',
	baseURL: `${server.url}/v1`,
	supportsStructuredOutputs: true,
})
const model = alpha('v2-bpe-chat')
const prompt = 'What is your name?'

test('ai: generateText returns text, usage and finish reason', async () => {
	const result = await generateText({ model, prompt, temperature: 0 })
	expect(result.text).toBe('My name is Alpha.')
	expect(result.finishReason).toBe('stop')
	expect(result.usage).toMatchObject({ inputTokens: 8, outputTokens: 12 })
	expect(result.response.modelId).toBe('v2-bpe-chat')
})

test('ai: generateText passes settings and provider options on', async () => {
	const result = await generateText({
		model,
		prompt,
		maxOutputTokens: 20,
		seed: 1,
		stopSequences: ['.'],
		providerOptions: { alpha: { top_k: 1 } },
	})
	expect(result.text).toBe('My name is Alpha')
})

test('ai: streamText streams text, and usage without being asked for it', async () => {
	const result = streamText({ model, prompt, temperature: 0 })
	const deltas: string[] = []
	for await (const delta of result.textStream) deltas.push(delta)
	expect(deltas.join('')).toBe('My name is Alpha.')
	expect(deltas.length).toBeGreaterThan(1)
	expect(await result.usage).toMatchObject({ inputTokens: 8, outputTokens: 12 })
	expect(await result.finishReason).toBe('stop')
})

test('ai: streamText takes usage from the chunk of its own with includeUsage', async () => {
	const provider = createOpenAICompatible({
		name: 'alpha',
		baseURL: `${server.url}/v1`,
		includeUsage: true,
	})
	const result = streamText({ model: provider('v2-bpe-chat'), prompt, temperature: 0 })
	await result.consumeStream()
	expect(await result.usage).toMatchObject({ inputTokens: 8, outputTokens: 12 })
})

test('ai: a conversation with system and assistant messages is read', async () => {
	const result = await generateText({
		model,
		temperature: 0,
		instructions: 'Be kind.',
		messages: [
			{ role: 'user', content: [{ type: 'text', text: 'Does Finn like cheese?' }] },
			{ role: 'assistant', content: 'Yes, Finn likes cheese.' },
			{ role: 'user', content: prompt },
		],
	})
	// All of it was read, not only the last question.
	expect(result.usage.inputTokens).toBeGreaterThan(20)
})

test('ai: completion models continue a text', async () => {
	const result = await generateText({
		model: alpha.completionModel('v2-bpe-chat'),
		prompt,
		maxOutputTokens: 5,
		temperature: 0,
	})
	expect(result.usage.outputTokens).toBe(5)
})

test('ai: a structured output is valid against its schema', async () => {
	const result = await generateText({
		// The small model's vocabulary has no quotation mark.
		model: alpha('novels-austen'),
		prompt: 'Who is it?',
		temperature: 0,
		output: Output.object({
			schema: jsonSchema<{ kind: string; married: boolean }>({
				type: 'object',
				properties: { kind: { enum: ['woman', 'man'] }, married: { type: 'boolean' } },
				required: ['kind', 'married'],
				additionalProperties: false,
			}),
		}),
	})
	expect(['woman', 'man']).toContain(result.output.kind)
	expect(typeof result.output.married).toBe('boolean')
})

test('ai: embedMany returns one vector per value', async () => {
	const { embeddings, usage } = await embedMany({
		model: alpha.embeddingModel('v2-bpe-chat'),
		values: [prompt, 'Does Finn like cheese?'],
	})
	expect(embeddings.map(({ length }) => length)).toEqual([40, 40])
	expect(usage.tokens).toBeGreaterThan(0)
})

test('ai: a bad request is an APICallError with the message, and is not retried', async () => {
	const error = await generateText({ model: alpha('gpt-4o'), prompt }).catch((cause) => cause)
	expect(error).toBeInstanceOf(APICallError)
	expect(error.statusCode).toBe(404)
	expect(error.isRetryable).toBe(false)
	expect(error.message).toContain('gpt-4o')
	expect(error.data.error.code).toBe('model_not_found')
})

test('ai: a stream reports an error before its first part', async () => {
	const errors: unknown[] = []
	const result = streamText({
		model,
		prompt,
		temperature: 3,
		onError: ({ error }) => {
			errors.push(error)
		},
	})
	await result.consumeStream()
	expect(errors).toHaveLength(1)
	expect(errors[0]).toBeInstanceOf(APICallError)
	expect((errors[0] as APICallError).statusCode).toBe(400)
})

test('ai: aborting a stream stops the engine', async () => {
	const abort = new AbortController()
	const result = streamText({
		model: alpha('novels-austen'),
		prompt,
		abortSignal: abort.signal,
		providerOptions: { alpha: { ignore_eos: true, n: 16 } },
		onError: () => {},
	})
	const parts: string[] = []
	for await (const part of result.fullStream) {
		parts.push(part.type)
		if (part.type === 'text-delta') abort.abort()
	}
	expect(parts.at(-1)).toBe('abort')
	await engineStops(server)
})
