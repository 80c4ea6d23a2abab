import { describe, expect, test } from 'bun:test'
import { chatChunkShape } from '../../src/openai/chat-response.ts'
import { ChunkStream } from '../../src/openai/chunk-stream.ts'
import { fakeTokenizer } from '../helpers/fake-catalog.ts'
import { parseSse } from '../helpers/read-sse.ts'

const chat = {
	tokenizer: fakeTokenizer,
	logprobs: false,
	promptLogprobs: null,
	promptTokenIds: null,
	newId: null,
}
const head = { id: 'chatcmpl-1', created: 1, model: 'a"b\\c', systemFingerprint: 'fp_1' }
const options = { choices: 1, choicesPerPrompt: 1, includeUsage: false }

describe('chunks that are put together from strings', () => {
	for (const text of ['"', '\\', '\n\n', '\u2028', '\u0000', 'data: [DONE]', '😀', '\ud83d']) {
		test(`carry ${JSON.stringify(text)} on one line of valid JSON`, () => {
			const stream = new ChunkStream(head, chatChunkShape(chat), options)
			const frame = stream.event({ type: 'text', choice: 0, text, tokens: [], tokenIds: [] })
			expect(frame.split('\n')).toHaveLength(3)
			const chunk = JSON.parse(parseSse(frame)[0]!.data)
			expect(chunk.choices[0].delta.content).toBe(text)
			expect(chunk.model).toBe(head.model)
		})
	}
})

test('choices that finish in any order are counted in the last one’s usage', () => {
	const stream = new ChunkStream(head, chatChunkShape(chat), { ...options, choices: 2 })
	const prompt = { choice: 0, promptTokens: 3, cachedTokens: 2, logprobs: null }
	expect(stream.prompt({ type: 'prompt', ...prompt })).toBeNull()
	const finish = (choice: number) =>
		stream.event({
			type: 'finish',
			choice,
			finishReason: 'stop',
			completionTokens: choice + 1,
			stopToken: null,
			tokenIds: [],
		})
	expect(finish(1)).not.toContain('usage')
	expect(JSON.parse(parseSse(finish(0))[0]!.data).usage).toMatchObject({
		prompt_tokens: 3,
		completion_tokens: 3,
		prompt_tokens_details: { cached_tokens: 2 },
	})
})
