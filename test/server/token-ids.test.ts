/** `return_token_ids`: the ids of prompt and answer, as vLLM reports them. */
import { describe, expect, test } from 'bun:test'
import { ChatCompletion, ChatCompletionChunk } from '../../src/openai/schemas/chat.ts'
import { Completion, CompletionChunk } from '../../src/openai/schemas/completions.ts'
import { violations } from '../helpers/conforms.ts'
import { type FakeRun, fakeTokenizer, readPrompt, saying } from '../helpers/fake-catalog.ts'
import { readChunks } from '../helpers/read-sse.ts'
import { testApp } from '../helpers/test-app.ts'

const ids = (text: string) => fakeTokenizer.encode(text)
const messages = [{ role: 'user', content: 'once' }]

async function ask(path: string, body: object, script = saying('hello.')) {
	const response = await testApp({ script }).post(path, { return_token_ids: true, ...body })
	return response.json()
}

describe('a chat completion', () => {
	test('tells the tokens of its prompt once and those of each choice', async () => {
		const answer = await ask('/v1/chat/completions', { messages, n: 2 })
		expect(violations(ChatCompletion, answer)).toEqual([])
		expect(answer.prompt_token_ids).toEqual(ids('once'))
		expect(answer.choices[0].token_ids).toEqual(ids('hello.'))
		expect(answer.choices[1].token_ids).toEqual(ids('hello.'))
	})

	test('tells also what a stop text has cut off', async () => {
		const answer = await ask('/v1/chat/completions', { messages, stop: 'l' })
		expect(answer.choices[0].message.content).toBe('he')
		expect(answer.choices[0].token_ids).toEqual(ids('hel'))
	})

	test('tells them piece by piece in a stream', async () => {
		const body = { messages, stream: true, return_token_ids: true, stop: 'lo' }
		const response = await testApp({ script: saying('hello.') }).post('/v1/chat/completions', body)
		const chunks = await readChunks<ChatCompletionChunk>(response)
		for (const chunk of chunks) expect(violations(ChatCompletionChunk, chunk)).toEqual([])
		expect(chunks[0]!.prompt_token_ids).toEqual(ids('once'))
		expect(chunks.slice(1).every((chunk) => chunk.prompt_token_ids === undefined)).toBe(true)
		expect(chunks.flatMap((chunk) => chunk.choices[0]!.token_ids ?? [])).toEqual(ids('hello'))
	})
})

describe('a completion', () => {
	test('tells the tokens of prompt and text with every choice', async () => {
		const answer = await ask('/v1/completions', { prompt: ['a', 'bc'] })
		expect(violations(Completion, answer)).toEqual([])
		const [first, second] = answer.choices
		expect([first.prompt_token_ids, second.prompt_token_ids]).toEqual([ids('a'), ids('bc')])
		expect([first.token_ids, second.token_ids]).toEqual([ids('hello.'), ids('hello.')])
	})

	test('tells the stop token as its last', async () => {
		const script = (run: FakeRun) => {
			readPrompt(run)
			run.push({ type: 'token', choice: 0, tokenId: 5 })
			const stopToken = { tokenId: 7, logprob: null }
			run.push({ type: 'finish', choice: 0, finishReason: 'stop', stopToken })
		}
		const answer = await ask('/v1/completions', { prompt: 'a' }, script)
		expect(answer.choices[0].token_ids).toEqual([5, 7])
	})

	test('tells those of its prompt with the first chunk of each choice', async () => {
		const body = { prompt: ['a', 'b'], stream: true, return_token_ids: true, max_tokens: 3 }
		const response = await testApp({ script: saying('hello.') }).post('/v1/completions', body)
		const chunks = await readChunks<CompletionChunk>(response)
		for (const chunk of chunks) expect(violations(CompletionChunk, chunk)).toEqual([])
		for (const [index, prompt] of ['a', 'b'].entries()) {
			const choices = chunks.flatMap((chunk) => chunk.choices).filter((it) => it.index === index)
			expect(choices.map((it) => it.prompt_token_ids).filter((it) => it !== undefined)).toEqual([
				ids(prompt),
			])
			expect(choices.flatMap((it) => it.token_ids ?? [])).toEqual(ids('hel'))
		}
	})
})

test('nothing is told without the wish', async () => {
	const chat = await ask('/v1/chat/completions', { messages, return_token_ids: false })
	expect(JSON.stringify(chat)).not.toContain('token_ids')
})
