/** `@langchain/openai` against the compiled server. */
import { afterAll, expect, test } from 'bun:test'
import { AIMessage, HumanMessage, SystemMessage } from '@langchain/core/messages'
import { ChatOpenAI, OpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { startAlpha } from '../helpers/alpha-server.ts'

const server = await startAlpha()
afterAll(() => server.stop())

const configuration = { baseURL: `${server.url}/v1` }
const settings = { model: 'v2-bpe-chat', apiKey: 'any-key', configuration }
/** What the tests read of a streamed message. */
interface Piece {
	readonly content: unknown
	readonly usage_metadata?:
		| { readonly input_tokens: number; readonly output_tokens: number }
		| undefined
}

const question = 'What is your name?'

test('langchain: invoke returns a message with usage', async () => {
	const message = await new ChatOpenAI({ ...settings, temperature: 0 }).invoke(question)
	expect(message.content).toBe('My name is Alpha.')
	expect(message.usage_metadata).toMatchObject({ input_tokens: 8, output_tokens: 12 })
	expect(message.response_metadata['finish_reason']).toBe('stop')
})

test('langchain: invoke reads a conversation', async () => {
	const message: Piece = await new ChatOpenAI({ ...settings, temperature: 0 }).invoke([
		new SystemMessage('Be kind.'),
		new HumanMessage('Does Finn like cheese?'),
		new AIMessage('Yes, Finn likes cheese.'),
		new HumanMessage(question),
	])
	expect(message.usage_metadata?.input_tokens).toBeGreaterThan(20)
})

test('langchain: streams text, and usage counts once', async () => {
	const model = new ChatOpenAI({ ...settings, temperature: 0 })
	const stream: AsyncIterable<Piece> = await model.stream(question)
	let text = ''
	let outputTokens = 0
	let chunks = 0
	for await (const chunk of stream) {
		text += chunk.content
		outputTokens += chunk.usage_metadata?.output_tokens ?? 0
		chunks++
	}
	expect(text).toBe('My name is Alpha.')
	expect(outputTokens).toBe(12)
	expect(chunks).toBeGreaterThan(3)
})

test('langchain: batch answers several questions', async () => {
	const model = new ChatOpenAI({ ...settings, temperature: 0 })
	const messages = await model.batch(Array<string>(5).fill(question))
	expect(messages.map(({ content }) => content)).toEqual(Array(5).fill('My name is Alpha.'))
})

test('langchain: reports log-probabilities', async () => {
	const model = new ChatOpenAI({ ...settings, temperature: 0, logprobs: true, topLogprobs: 2 })
	const { response_metadata } = await model.invoke(question)
	expect(response_metadata['logprobs']).toMatchObject({
		content: expect.arrayContaining([expect.objectContaining({ token: 'nam' })]),
	})
})

test('langchain: completion models take a prompt and stream', async () => {
	const model = new OpenAI({ ...settings, temperature: 0, maxTokens: 8 })
	const whole = await model.invoke('<|user|> What is your name? <|assistant|>')
	let text = ''
	for await (const piece of await model.stream('<|user|> What is your name? <|assistant|>')) {
		text += piece
	}
	expect(whole).not.toBe('')
	expect(text).toBe(whole)
})

test('langchain: embeddings have the width of the model', async () => {
	const model = new OpenAIEmbeddings({ ...settings, encodingFormat: 'float' })
	expect(await model.embedQuery(question)).toHaveLength(40)
	const vectors = await new OpenAIEmbeddings(settings).embedDocuments([question, 'Hello'])
	expect(vectors.map(({ length }) => length)).toEqual([40, 40])
})

test.each([
	['a value out of range', { temperature: 3 }, 400],
	['an unknown model', { model: 'nobody' }, 404],
])('langchain: %s fails at once, without retries', async (_name, fields, status) => {
	let attempts = 0
	const model = new ChatOpenAI({
		...settings,
		...fields,
		configuration: {
			...configuration,
			fetch: (input, init) => {
				attempts++
				return fetch(input, init)
			},
		},
	})
	const error = await model.invoke(question).catch((cause) => cause)
	expect(error.status).toBe(status)
	expect(attempts).toBe(1)
})
