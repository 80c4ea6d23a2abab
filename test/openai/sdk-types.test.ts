/**
 * Answers have the types of the newest `openai` package: the assignments are checked by the compiler,
 * and that the answers have the types that they are declared with, here and in test/server.
 */
import { expect, test } from 'bun:test'
import type OpenAI from 'openai'
import { finish } from '../../src/lib/steps.ts'
import { toChatCompletion } from '../../src/openai/chat-response.ts'
import { toCompletion } from '../../src/openai/completion-response.ts'
import { toEmbeddings } from '../../src/openai/embeddings.ts'
import { toModelList } from '../../src/openai/models.ts'
import { toOutput, toResponse } from '../../src/openai/responses-response.ts'
import type { ChatCompletionChunk } from '../../src/openai/schemas/chat.ts'
import type { ResponsesRequest } from '../../src/openai/schemas/responses.ts'
import type { TextResult } from '../../src/text/text-events.ts'
import { fakeCard, fakeLogprob, fakeTokenizer } from '../helpers/fake-catalog.ts'

const tokenizer = fakeTokenizer
const head = { id: 'x', created: 1, model: 'm', systemFingerprint: 'fp_1' }
const newId = (prefix: string) => `${prefix}1`

function resultOf(text: string): TextResult {
	const logprob = { ...fakeLogprob(1), rank: 1 }
	const tokens = [{ tokenId: 3, logprob, offset: 0, isAfterWord: false }]
	const choice = {
		text,
		tokens,
		finishReason: 'stop',
		completionTokens: 1,
		stopToken: null,
		tokenIds: [3],
	} as const
	const prompt = { promptTokenIds: [1], promptTokens: 1, cachedTokens: 0, promptLogprobs: null }
	return { ...prompt, choices: [choice] }
}

const text = resultOf('a')
const call = resultOf('[{"name":"f","arguments":{"a":1}}]')

test('chat completions of texts and of calls', () => {
	const options = { tokenizer, logprobs: true, promptLogprobs: null, promptTokenIds: null }
	const ofText: OpenAI.ChatCompletion = finish(
		toChatCompletion(head, text, { ...options, newId: null }),
	)
	const ofCalls: OpenAI.ChatCompletion = finish(toChatCompletion(head, call, { ...options, newId }))
	expect(ofText.choices[0]!.message.content).toBe('a')
	expect(ofCalls.choices[0]!.message.tool_calls).toEqual([
		{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
	])
	expect(ofText.usage?.prompt_tokens_details).toEqual({ cached_tokens: 0 })
})

test('chunks of chat completions', () => {
	const read = (chunk: ChatCompletionChunk): OpenAI.ChatCompletionChunk => chunk
	expect(read).toBeFunction()
})

test('completions', () => {
	const prompts = [{ text: 'b', tokenIds: [1], prefixTokens: 0 }]
	const options = {
		prompts,
		n: 1,
		echo: false,
		logprobs: null,
		promptLogprobs: null,
		tokenIds: false,
		tokenizer,
	}
	const completion = finish(toCompletion(head, [text], options))
	const { choices, ...rest } = completion
	const typed: Omit<OpenAI.Completion, 'choices'> = rest
	// The log-probabilities are those of the older API itself, whose first one may be null.
	const typedChoices: Omit<OpenAI.CompletionChoice, 'logprobs'>[] = choices
	expect([typed.object, typedChoices[0]!.text]).toEqual(['text_completion', 'a'])
})

test('responses of texts and of calls', () => {
	const answer = (body: ResponsesRequest, result: TextResult) => {
		const facts = {
			id: 'resp_1',
			newId,
			createdAt: 1,
			model: 'm',
			body,
			logprobsTokenizer: tokenizer,
		}
		const response = toResponse(facts, finish(toOutput(facts, result, 2)))
		const typed: Omit<OpenAI.Responses.Response, 'output_text' | 'tools' | 'text'> = {
			...response,
			// Null only in the events before the end.
			usage: response.usage!,
		}
		return typed
	}
	expect(answer({ input: 'a' }, text).usage).toEqual({
		input_tokens: 1,
		input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
		output_tokens: 1,
		output_tokens_details: { reasoning_tokens: 0 },
		total_tokens: 2,
	})
	const tools = [{ type: 'function', name: 'f' }]
	expect(answer({ input: 'a', tools, tool_choice: 'required' }, call).output).toEqual([
		{
			id: 'fc_1',
			type: 'function_call',
			status: 'completed',
			call_id: 'call_1',
			name: 'f',
			arguments: '{"a":1}',
		},
	])
})

test('embeddings and models', () => {
	const vectors = toEmbeddings('m', [Float32Array.of(1)], 1, 'float')
	const embeddings: Omit<OpenAI.CreateEmbeddingResponse, 'data'> = vectors
	const models: { data: OpenAI.Model[] } = toModelList([fakeCard('a')])
	expect([embeddings.object, models.data[0]!.id]).toEqual(['list', 'a'])
})
