/** Every fault is one object with a status, a code and the field at fault, on every path. */
import { describe, expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault, type FaultKind } from '../../src/lib/fault.ts'
import { defaultLimits } from '../../src/server/deps.ts'
import { fakeTokenizer } from '../helpers/fake-catalog.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { noTrainings, noUploads, testApp } from '../helpers/test-app.ts'

const chat = { messages: [{ role: 'user', content: 'once' }] }
const tools = [{ type: 'function', function: { name: 'f' } }]
const manyNames = JSON.stringify(
	Object.fromEntries(Array.from({ length: 40_000 }, (_, i) => [i, i])),
)
const manyIds = JSON.stringify({ prompt: Array.from({ length: 300_000 }, () => 1) })
const deepIn = (field: string) => `{"${field}":${'['.repeat(100_000)}${']'.repeat(100_000)}}`

const jsonSchema = (schema: unknown) => ({ type: 'json_schema', json_schema: { schema } })

/** [what, path, body, status, code, param] */
const bodies: [string, string, unknown, number, string, string | null][] = [
	['an empty body', '/v1/chat/completions', '', 400, 'invalid_json', null],
	['no JSON', '/v1/chat/completions', '{oops', 400, 'invalid_json', null],
	['a JSON array', '/v1/chat/completions', '[1]', 400, 'invalid_json', null],
	['a JSON string', '/api/chat', '"x"', 400, 'invalid_json', null],
	['JSON null', '/api/chat', 'null', 400, 'invalid_json', null],
	['no messages', '/v1/chat/completions', {}, 400, 'missing_required_parameter', 'messages'],
	[
		'null messages',
		'/v1/chat/completions',
		{ messages: null },
		400,
		'missing_required_parameter',
		'messages',
	],
	['empty messages', '/v1/chat/completions', { messages: [] }, 400, 'empty_array', 'messages'],
	[
		'messages that are no array',
		'/v1/chat/completions',
		{ messages: 'x' },
		400,
		'invalid_type',
		'messages',
	],
	[
		'a message that is no object',
		'/v1/chat/completions',
		{ messages: ['x'] },
		400,
		'invalid_type',
		'messages[0]',
	],
	[
		'no role',
		'/v1/chat/completions',
		{ messages: [{ content: 'x' }] },
		400,
		'missing_required_parameter',
		'messages[0].role',
	],
	[
		'an unknown role',
		'/v1/chat/completions',
		{ messages: [{ role: 'boss', content: '' }] },
		400,
		'invalid_value',
		'messages[0].role',
	],
	[
		'no content',
		'/v1/chat/completions',
		{ messages: [{ role: 'user' }] },
		400,
		'missing_required_parameter',
		'messages[0].content',
	],
	[
		'null content',
		'/v1/chat/completions',
		{ messages: [{ role: 'user', content: null }] },
		400,
		'missing_required_parameter',
		'messages[0].content',
	],
	[
		'a number as content',
		'/v1/chat/completions',
		{ messages: [{ role: 'user', content: 5 }] },
		400,
		'invalid_type',
		'messages[0].content',
	],
	[
		'an image',
		'/v1/chat/completions',
		{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] },
		400,
		'unsupported_value',
		'messages[0].content[0].type',
	],
	[
		'a text part without text',
		'/v1/chat/completions',
		{ messages: [{ role: 'user', content: [{ type: 'text' }] }] },
		400,
		'missing_required_parameter',
		'messages[0].content[0].text',
	],
	[
		'max_tokens as text',
		'/v1/chat/completions',
		{ ...chat, max_tokens: '5' },
		400,
		'invalid_type',
		'max_tokens',
	],
	[
		'max_tokens 0',
		'/v1/chat/completions',
		{ ...chat, max_tokens: 0 },
		400,
		'integer_below_min_value',
		'max_tokens',
	],
	[
		'max_tokens -2',
		'/v1/chat/completions',
		{ ...chat, max_tokens: -2 },
		400,
		'integer_below_min_value',
		'max_tokens',
	],
	[
		'max_tokens 1.5',
		'/v1/chat/completions',
		{ ...chat, max_tokens: 1.5 },
		400,
		'invalid_type',
		'max_tokens',
	],
	[
		'max_tokens true',
		'/v1/chat/completions',
		{ ...chat, max_tokens: true },
		400,
		'invalid_type',
		'max_tokens',
	],
	[
		'max_completion_tokens 0',
		'/v1/chat/completions',
		{ ...chat, max_completion_tokens: 0 },
		400,
		'integer_below_min_value',
		'max_completion_tokens',
	],
	[
		'temperature 2.1',
		'/v1/chat/completions',
		{ ...chat, temperature: 2.1 },
		400,
		'decimal_above_max_value',
		'temperature',
	],
	[
		'temperature -0.1',
		'/v1/chat/completions',
		{ ...chat, temperature: -0.1 },
		400,
		'decimal_below_min_value',
		'temperature',
	],
	[
		'temperature 1e400',
		'/v1/chat/completions',
		'{"messages":[{"role":"user","content":""}],"temperature":1e400}',
		400,
		'invalid_type',
		'temperature',
	],
	[
		'top_p 1.1',
		'/v1/chat/completions',
		{ ...chat, top_p: 1.1 },
		400,
		'decimal_above_max_value',
		'top_p',
	],
	[
		'top_k -2',
		'/v1/chat/completions',
		{ ...chat, top_k: -2 },
		400,
		'integer_below_min_value',
		'top_k',
	],
	[
		'min_p 2',
		'/v1/chat/completions',
		{ ...chat, min_p: 2 },
		400,
		'decimal_above_max_value',
		'min_p',
	],
	['n 65', '/v1/chat/completions', { ...chat, n: 65 }, 400, 'integer_above_max_value', 'n'],
	['n 0', '/v1/chat/completions', { ...chat, n: 0 }, 400, 'integer_below_min_value', 'n'],
	[
		'stream "yes"',
		'/v1/chat/completions',
		{ ...chat, stream: 'yes' },
		400,
		'invalid_type',
		'stream',
	],
	['stream 1', '/v1/chat/completions', { ...chat, stream: 1 }, 400, 'invalid_type', 'stream'],
	[
		'65 stops',
		'/v1/chat/completions',
		{ ...chat, stop: Array(65).fill('a') },
		400,
		'array_above_max_length',
		'stop',
	],
	[
		'a stop of 1,025 characters',
		'/v1/chat/completions',
		{ ...chat, stop: ['a'.repeat(1025)] },
		400,
		'invalid_value',
		'stop[0]',
	],
	[
		'a stop of 1,025 characters outside of the BMP',
		'/v1/completions',
		{ prompt: 'once', stop: '🙂'.repeat(1025) },
		400,
		'invalid_value',
		'stop',
	],
	[
		'65 stop tokens',
		'/v1/chat/completions',
		{ ...chat, stop_token_ids: Array(65).fill(1) },
		400,
		'array_above_max_length',
		'stop_token_ids',
	],
	[
		'a number among the stops',
		'/v1/chat/completions',
		{ ...chat, stop: ['a', 5] },
		400,
		'invalid_type',
		'stop[1]',
	],
	['a number as stop', '/v1/chat/completions', { ...chat, stop: 5 }, 400, 'invalid_type', 'stop'],
	['seed 0.5', '/v1/chat/completions', { ...chat, seed: 0.5 }, 400, 'invalid_type', 'seed'],
	[
		'presence_penalty 3',
		'/v1/chat/completions',
		{ ...chat, presence_penalty: 3 },
		400,
		'decimal_above_max_value',
		'presence_penalty',
	],
	[
		'repetition_penalty 0',
		'/v1/chat/completions',
		{ ...chat, repetition_penalty: 0 },
		400,
		'decimal_below_min_value',
		'repetition_penalty',
	],
	[
		'a bias above 100',
		'/v1/chat/completions',
		{ ...chat, logit_bias: { 5: 101 } },
		400,
		'decimal_above_max_value',
		'logit_bias[5]',
	],
	[
		'a bias for no token',
		'/v1/chat/completions',
		{ ...chat, logit_bias: { x: 1 } },
		400,
		'invalid_value',
		'logit_bias',
	],
	[
		'a bias beyond the vocabulary',
		'/v1/chat/completions',
		{ ...chat, logit_bias: { 50000: 1 } },
		400,
		'invalid_value',
		'logit_bias',
	],
	['logprobs 5', '/v1/chat/completions', { ...chat, logprobs: 5 }, 400, 'invalid_type', 'logprobs'],
	[
		'top_logprobs 21',
		'/v1/chat/completions',
		{ ...chat, logprobs: true, top_logprobs: 21 },
		400,
		'integer_above_max_value',
		'top_logprobs',
	],
	[
		'top_logprobs alone',
		'/v1/chat/completions',
		{ ...chat, top_logprobs: 2 },
		400,
		'invalid_value',
		'top_logprobs',
	],
	[
		'a call without tools',
		'/v1/chat/completions',
		{ ...chat, tool_choice: 'required' },
		400,
		'invalid_value',
		'tools',
	],
	[
		'a call of a function that is not among the tools',
		'/v1/chat/completions',
		{ ...chat, tools, tool_choice: { type: 'function', function: { name: 'g' } } },
		400,
		'invalid_value',
		'tool_choice',
	],
	[
		'a named tool without a name',
		'/v1/chat/completions',
		{ ...chat, tools, tool_choice: { type: 'function' } },
		400,
		'missing_required_parameter',
		'tool_choice.function',
	],
	[
		'a call of a tool that is no function',
		'/v1/chat/completions',
		{ ...chat, tools, tool_choice: { type: 'custom', custom: { name: 'f' } } },
		400,
		'unsupported_value',
		'tool_choice.type',
	],
	[
		'a tool whose arguments cannot be held to their schema',
		'/v1/chat/completions',
		{
			...chat,
			tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'sentence' } } }],
			tool_choice: 'required',
		},
		400,
		'invalid_value',
		'tools[0].function.parameters.type',
	],
	[
		'a tool without a name',
		'/v1/chat/completions',
		{ ...chat, tools: [{ type: 'function', function: {} }], tool_choice: 'required' },
		400,
		'invalid_type',
		'tools[0].function.name',
	],
	[
		'a regular expression beyond the subset',
		'/v1/chat/completions',
		{ ...chat, guided_regex: '(a)\\1' },
		400,
		'unsupported_value',
		'guided_regex',
	],
	[
		'a regular expression that is none',
		'/v1/completions',
		{ prompt: 'a', structured_outputs: { regex: '(' } },
		400,
		'invalid_value',
		'structured_outputs.regex',
	],
	[
		'a choice that is no list',
		'/v1/chat/completions',
		{ ...chat, guided_choice: 'a' },
		400,
		'invalid_type',
		'guided_choice',
	],
	[
		'a schema whose text is no JSON',
		'/v1/chat/completions',
		{ ...chat, guided_json: '{' },
		400,
		'invalid_value',
		'guided_json',
	],
	[
		'a schema whose text is deep',
		'/v1/chat/completions',
		{ ...chat, guided_json: '['.repeat(100_000) },
		400,
		'invalid_value',
		'guided_json',
	],
	[
		'a schema that is a number',
		'/v1/chat/completions',
		{ ...chat, json_schema: 5 },
		400,
		'invalid_value',
		'json_schema',
	],
	[
		'two formats',
		'/v1/responses',
		{ input: 'a', guided_choice: ['a'], guided_regex: 'b' },
		400,
		'unsupported_parameter',
		'guided_regex',
	],
	...[
		{ grammar: 'root ::= "a"' },
		{ ebnf: 'root ::= "a"' },
		{ guided_grammar: 'root ::= "a"' },
		{ bad_words: ['a'] },
		{ use_beam_search: true },
		{ allowed_token_ids: [1] },
	].flatMap((field): typeof bodies =>
		['/v1/chat/completions', '/v1/completions', '/v1/responses'].map((path) => [
			`${Object.keys(field)}, which only other servers have`,
			path,
			{
				...chat,
				prompt: 'a',
				input: 'a',
				...field,
				...(path === '/v1/responses' ? { prompt: null } : {}),
			},
			400,
			'unsupported_parameter',
			Object.keys(field)[0]!,
		]),
	),
	['audio', '/v1/chat/completions', { ...chat, audio: {} }, 400, 'unsupported_parameter', 'audio'],
	[
		'audio as modality',
		'/v1/chat/completions',
		{ ...chat, modalities: ['text', 'audio'] },
		400,
		'unsupported_value',
		'modalities[1]',
	],
	[
		'an unknown format',
		'/v1/chat/completions',
		{ ...chat, response_format: { type: 'xml' } },
		400,
		'unsupported_value',
		'response_format.type',
	],
	[
		'a format without schema',
		'/v1/chat/completions',
		{ ...chat, response_format: { type: 'json_schema' } },
		400,
		'missing_required_parameter',
		'response_format.json_schema.schema',
	],
	[
		'a format with stops',
		'/v1/chat/completions',
		{ ...chat, response_format: { type: 'json_object' }, stop: 'x' },
		400,
		'unsupported_parameter',
		'stop',
	],
	[
		'a schema that is none',
		'/v1/chat/completions',
		{
			...chat,
			response_format: { type: 'json_schema', json_schema: { schema: { type: 'wrong' } } },
		},
		400,
		'invalid_value',
		'response_format',
	],
	[
		'an unknown truncation',
		'/v1/chat/completions',
		{ ...chat, truncation: 'middle' },
		400,
		'invalid_value',
		'truncation',
	],
	[
		'an unknown model',
		'/v1/chat/completions',
		{ ...chat, model: 'nope' },
		404,
		'model_not_found',
		'model',
	],
	[
		'a model named like a property',
		'/v1/chat/completions',
		{ ...chat, model: '__proto__' },
		404,
		'model_not_found',
		'model',
	],
	[
		'a model that is no text',
		'/v1/chat/completions',
		{ ...chat, model: 5 },
		400,
		'invalid_type',
		'model',
	],
	['no prompt', '/v1/completions', {}, 400, 'missing_required_parameter', 'prompt'],
	['an empty list of prompts', '/v1/completions', { prompt: [] }, 400, 'empty_array', 'prompt'],
	['mixed prompts', '/v1/completions', { prompt: ['a', 5] }, 400, 'invalid_type', 'prompt[1]'],
	[
		'a fraction among ids',
		'/v1/completions',
		{ prompt: [1, 2.5] },
		400,
		'invalid_type',
		'prompt[1]',
	],
	[
		'a negative id',
		'/v1/completions',
		{ prompt: [-1] },
		400,
		'integer_below_min_value',
		'prompt[0]',
	],
	[
		'an id beyond the vocabulary',
		'/v1/completions',
		{ prompt: [[1], [50000]] },
		400,
		'invalid_value',
		'prompt',
	],
	['too many names', '/v1/completions', manyNames, 400, 'invalid_json', null],
	['too many values', '/v1/completions', manyIds, 400, 'invalid_json', null],
	['a deep prompt', '/v1/completions', deepIn('prompt'), 400, 'invalid_json', null],
	['deep metadata', '/v1/responses', deepIn('metadata'), 400, 'invalid_json', null],
	['a deep text format', '/v1/responses', deepIn('text'), 400, 'invalid_json', null],
	['a deep schema', '/v1/chat/completions', deepIn('response_format'), 400, 'invalid_json', null],
	['deep messages', '/api/chat', deepIn('messages'), 400, 'invalid_json', null],
	[
		'too many sequences',
		'/v1/completions',
		{ prompt: Array(64).fill('a'), n: 3 },
		400,
		'integer_above_max_value',
		'n',
	],
	[
		'best_of below n',
		'/v1/completions',
		{ prompt: 'a', n: 2, best_of: 1 },
		400,
		'integer_below_min_value',
		'best_of',
	],
	[
		'best_of in a stream',
		'/v1/completions',
		{ prompt: 'a', best_of: 2, stream: true },
		400,
		'unsupported_parameter',
		'best_of',
	],
	[
		'logprobs 21',
		'/v1/completions',
		{ prompt: 'a', logprobs: 21 },
		400,
		'integer_above_max_value',
		'logprobs',
	],
	[
		'prompt_logprobs in a stream',
		'/v1/completions',
		{ prompt: 'a', prompt_logprobs: 1, stream: true },
		400,
		'unsupported_parameter',
		'prompt_logprobs',
	],
	[
		'a part of a UI message without type',
		'/api/chat',
		{ messages: [{ role: 'user', parts: [{}] }] },
		400,
		'missing_required_parameter',
		'messages[0].parts[0].type',
	],
	['a suffix', '/v1/completions', { prompt: 'a', suffix: 'b' }, 400, 'unsupported_value', 'suffix'],
	['no input', '/v1/responses', {}, 400, 'missing_required_parameter', 'input'],
	[
		'a picture among the input',
		'/v1/responses',
		{ input: [{ type: 'image_generation_call', id: 'x' }] },
		400,
		'unsupported_value',
		'input[0].type',
	],
	[
		'a reference to a stored item',
		'/v1/responses',
		{ input: [{ type: 'item_reference', id: 'msg_1' }] },
		400,
		'unsupported_value',
		'input[0]',
	],
	[
		'a call of a function that is not among the tools',
		'/v1/responses',
		{
			input: 'a',
			tools: [{ type: 'function', name: 'f' }],
			tool_choice: { type: 'function', name: 'g' },
		},
		400,
		'invalid_value',
		'tool_choice',
	],
	[
		'a previous response',
		'/v1/responses',
		{ input: 'a', previous_response_id: 'resp_1' },
		400,
		'unsupported_parameter',
		'previous_response_id',
	],
	[
		'a conversation',
		'/v1/responses',
		{ input: 'a', conversation: 'c' },
		400,
		'unsupported_parameter',
		'conversation',
	],
	[
		'a background response',
		'/v1/responses',
		{ input: 'a', background: true },
		400,
		'unsupported_parameter',
		'background',
	],
	['an empty list of inputs', '/v1/embeddings', { input: [] }, 400, 'empty_array', 'input'],
	[
		'an input beyond the context',
		'/v1/embeddings',
		{ input: 'a'.repeat(65) },
		400,
		'context_length_exceeded',
		'input',
	],
	[
		'other dimensions',
		'/v1/embeddings',
		{ input: 'a', dimensions: 3 },
		400,
		'unsupported_value',
		'dimensions',
	],
	['a text to tokenize that is none', '/tokenize', { prompt: 5 }, 400, 'invalid_type', 'prompt'],
	['no message to tokenize', '/tokenize', { messages: [] }, 400, 'empty_array', 'messages'],
	['nothing to tokenize', '/tokenize', {}, 400, 'missing_required_parameter', 'prompt'],
	[
		'a prompt beside messages to tokenize',
		'/tokenize',
		{ prompt: 'a', messages: [{ role: 'user', content: 'b' }] },
		400,
		'unsupported_parameter',
		'prompt',
	],
	[
		'a prompt that is none beside content to tokenize',
		'/tokenize',
		{ prompt: [[]], content: 'x' },
		400,
		'invalid_type',
		'prompt',
	],
	[
		'messages that are none beside content to tokenize',
		'/tokenize',
		{ content: 'x', messages: 17 },
		400,
		'invalid_type',
		'messages',
	],
	[
		'two texts to tokenize',
		'/tokenize',
		{ prompt: 'a', content: 'b' },
		400,
		'unsupported_parameter',
		'prompt',
	],
	[
		'a schema of 250,000 alternatives',
		'/v1/chat/completions',
		{ ...chat, response_format: jsonSchema({ anyOf: Array(250_000).fill(true) }) },
		400,
		'unsupported_value',
		'response_format',
	],
	[
		'a choice of one among 30,000 schemas',
		'/v1/chat/completions',
		{ ...chat, response_format: jsonSchema({ oneOf: Array(30_000).fill({ const: 1 }) }) },
		400,
		'unsupported_value',
		'response_format',
	],
	[
		'too long a conversation to tokenize',
		'/tokenize',
		{ messages: [{ role: 'user', content: 'a'.repeat(2 ** 19 + 1) }] },
		400,
		'invalid_value',
		'messages',
	],
	['tokens that no model has', '/detokenize', { tokens: [99999] }, 400, 'invalid_value', 'tokens'],
	['tokens that are text', '/detokenize', { tokens: 'a' }, 400, 'invalid_type', 'tokens'],
	['no prompt at all', '/api/generate', '', 400, 'missing_required_parameter', 'prompt'],
	['a prompt that is no text', '/api/generate', { prompt: 5 }, 400, 'invalid_type', 'prompt'],
	['max_tokens=', '/api/generate?max_tokens=', { prompt: 'a' }, 400, 'invalid_type', 'max_tokens'],
	[
		'max_tokens=1.5',
		'/api/generate?max_tokens=1.5',
		{ prompt: 'a' },
		400,
		'invalid_type',
		'max_tokens',
	],
	[
		'max_tokens=0x10',
		'/api/generate?max_tokens=0x10',
		{ prompt: 'a' },
		400,
		'invalid_type',
		'max_tokens',
	],
	[
		'temperature=3',
		'/api/generate?temperature=3',
		{ prompt: 'a' },
		400,
		'decimal_above_max_value',
		'temperature',
	],
	[
		'maxTokens 0',
		'/api/chat',
		{ ...chat, maxTokens: 0 },
		400,
		'integer_below_min_value',
		'maxTokens',
	],
	['topk -1', '/api/chat', { ...chat, topk: -1 }, 400, 'integer_below_min_value', 'topk'],
	[
		'a message with neither content nor parts',
		'/api/chat',
		{ messages: [{ role: 'user' }] },
		400,
		'missing_required_parameter',
		'messages[0].content',
	],
]

describe('bodies', () => {
	for (const [what, path, body, status, code, param] of bodies) {
		test(`${path}: ${what}`, async () => {
			const app = testApp()
			const response = await app.post(path, body)
			const { error } = await response.json()
			expect({ status: response.status, code: error.code, param: error.param }).toEqual({
				status,
				code,
				param,
			})
			expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type'])
			expect(error.type).toBe('invalid_request_error')
			expect(error.message.length).toBeLessThan(400)
			expect(response.headers.get('content-type')).toStartWith('application/json')
			expect(response.headers.get('access-control-allow-origin')).toBe('*')
			expect(response.headers.get('x-request-id')).toBeTruthy()
			expect(app.catalog.leaseCount()).toBe(0)
			expect(app.catalog.runs).toHaveLength(0)
		})
	}
})

/** [query, code, param] */
const queries: [string, string, string][] = [
	['steps=abc', 'invalid_type', 'steps'],
	['steps=-1', 'integer_below_min_value', 'steps'],
	['steps=1.5', 'invalid_type', 'steps'],
	['steps=1.0', 'invalid_type', 'steps'],
	['steps=1e2', 'invalid_type', 'steps'],
	['temp=', 'invalid_type', 'temp'],
	['temp=NaN', 'invalid_type', 'temp'],
	['temp=1e400', 'invalid_type', 'temp'],
	['temp=-1', 'decimal_below_min_value', 'temp'],
	['topk=-1', 'integer_below_min_value', 'topk'],
	['topk=all', 'invalid_type', 'topk'],
]

describe('queries of /api/inference are refused before the stream starts', () => {
	for (const [query, code, param] of queries) {
		test(query, async () => {
			const response = await testApp().get(`/api/inference?${query}`)
			expect(response.status).toBe(400)
			expect(await response.json()).toMatchObject({ error: { code, param } })
		})
	}

	test('an unknown model is 404', async () => {
		const response = await testApp().get('/api/inference?model=nope')
		expect(response.status).toBe(404)
	})
})

describe('routes', () => {
	test('an unknown path is 404 and named', async () => {
		const response = await testApp().get('/v1/internal/model/info')
		expect(response.status).toBe(404)
		expect(await response.json()).toMatchObject({
			error: { code: 'unknown_url', message: expect.stringContaining('/v1/internal/model/info') },
		})
	})

	for (const [method, path, allow] of [
		['GET', '/v1/chat/completions', 'POST, OPTIONS'],
		['POST', '/v1/models', 'GET, HEAD, OPTIONS'],
		['DELETE', '/v1/models/first', 'GET, HEAD, OPTIONS'],
		['PUT', '/api/generate', 'GET, POST, HEAD, OPTIONS'],
		['POST', '/api/inference/', 'GET, HEAD, OPTIONS'],
	] as const) {
		test(`${method} ${path} is 405 with Allow`, async () => {
			const { app } = testApp()
			const response = await app.handle(new Request(`http://localhost${path}`, { method }))
			expect(response.status).toBe(405)
			expect(response.headers.get('allow')).toBe(allow)
			expect(await response.json()).toMatchObject({ error: { code: 'method_not_allowed' } })
		})
	}
})

describe('media types', () => {
	const body = JSON.stringify({ prompt: 'a' })

	for (const type of [
		'application/json',
		'APPLICATION/JSON; charset=utf-8',
		'text/plain',
		'application/x-www-form-urlencoded',
	]) {
		test(`JSON called ${type} is read`, async () => {
			const response = await testApp().post('/v1/completions', body, { 'content-type': type })
			expect(response.status).toBe(200)
		})
	}

	test('a form is 415', async () => {
		const type = { 'content-type': 'application/x-www-form-urlencoded' }
		const response = await testApp().post('/v1/completions', 'prompt=a', type)
		expect(response.status).toBe(415)
	})

	test('a compressed body is 415', async () => {
		const coding = { 'content-encoding': 'gzip' }
		const response = await testApp().post('/v1/completions', body, coding)
		expect(response.status).toBe(415)
		expect(await response.json()).toMatchObject({ error: { code: 'unsupported_media_type' } })
	})
})

test('overload is 503 with Retry-After', async () => {
	const acquireError = new Fault('overloaded', 'The server is overloaded.', { retrySeconds: 2.1 })
	const response = await testApp({ acquireError }).post('/v1/completions', { prompt: 'a' })
	expect(response.status).toBe(503)
	expect(response.headers.get('retry-after')).toBe('3')
	expect(await response.json()).toMatchObject({
		error: { type: 'server_error', code: 'overloaded' },
	})
})

test('what an inner part refuses becomes the status and code of its kind', async () => {
	const answers: [FaultKind, number, string][] = [
		['invalid', 400, 'invalid_checkpoint'],
		['not-found', 404, 'model_not_found'],
		['conflict', 409, 'conflict'],
		['changing', 503, 'model_loading'],
		['shutting-down', 503, 'shutting_down'],
		['not-writable', 503, 'storage_unavailable'],
		['no-room', 507, 'insufficient_memory'],
		['disk-full', 507, 'insufficient_storage'],
		['unreadable', 500, 'internal_error'],
		['bug', 500, 'internal_error'],
	]
	for (const [kind, status, code] of answers) {
		const acquireError = new Fault(kind, 'Said by an inner part.')
		const response = await testApp({ acquireError }).post('/v1/completions', { prompt: 'a' })
		expect(response.status).toBe(status)
		const { error } = (await response.json()) as { error: { code: string; message: string } }
		expect(error.code).toBe(code)
		expect(error.message.includes('inner part')).toBe(status !== 500)
	}
})

test('what the file system refuses is told by its kind, on every route, and in full to the log only', async () => {
	using directory = tempDir()
	const file = join(directory.path, 'file')
	writeFileSync(file, '')
	const refusals: [() => Promise<unknown>, number, string][] = [
		[() => appendFile('/dev/full', 'a'), 507, 'insufficient_storage'],
		[() => mkdir(join(file, 'inner'), { recursive: true }), 503, 'storage_unavailable'],
	]
	for (const [refused, status, code] of refusals) {
		const report = async () => void (await refused())
		const remove = report
		const app = testApp({
			deps: {
				trainings: { ...noTrainings(), report, find: () => ({ name: 'run' }) as never },
				uploads: { ...noUploads, secret: 's', remove },
				exports: { write: async () => (await refused()) as never },
			},
		})
		const headers = { authorization: 'Bearer s' }
		const answers = [
			await app.post('/api/ingest', { type: 'heartbeat', runId: 'run' }, headers),
			await app.app.handle(
				new Request('http://localhost/api/models?name=run', { method: 'DELETE', headers }),
			),
			await app.get('/api/models/first/export', headers),
		]
		for (const answer of answers) {
			expect(await answer.json()).toMatchObject({ error: { code } })
			expect(answer.status).toBe(status)
		}
		expect(app.logged.filter((line) => line.includes('storage failed'))).toHaveLength(3)
	}
})

test('more choices than could ever be queued are refused for good', async () => {
	const app = testApp({ deps: { limits: { ...defaultLimits, choicesMax: 8 } } })
	const response = await app.post('/v1/completions', { prompt: 'a', n: 9 })
	expect(response.status).toBe(400)
	expect(await response.json()).toMatchObject({
		error: { code: 'integer_above_max_value', param: 'n' },
	})
})

test('a fault of ours is 500, and its cause is only in the log', async () => {
	const app = testApp({ acquireError: new Error('cannot open /home/secret') })
	const response = await app.post('/v1/completions', { prompt: 'a' })
	const text = await response.text()
	expect(response.status).toBe(500)
	expect(JSON.parse(text).error).toMatchObject({ type: 'server_error', code: 'internal_error' })
	expect(text).not.toContain('secret')
	expect(app.logged.join('\n')).toContain('/home/secret')
})

test('what was given up because the client has gone is no fault of ours', async () => {
	const reason = new DOMException('The connection was closed.', 'AbortError')
	const app = testApp({ acquireError: reason })
	const signal = AbortSignal.abort(reason)
	const request = new Request('http://localhost/api/inference', { signal })
	expect((await app.app.handle(request)).status).toBe(499)
	expect(app.logged.join()).not.toContain('request failed')
})

test('messages say in plain words what was expected and what came', async () => {
	const told = async (path: string, body: unknown) =>
		(await (await testApp().post(path, body)).json()).error.message
	expect(await told('/api/chat', 'null')).toBe(
		'The request body must be a JSON object: it is null.',
	)
	expect(await told('/v1/chat/completions', { messages: [5] })).toBe(
		"Invalid type for 'messages[0]': expected an object, got 5.",
	)
	expect(await told('/v1/completions', { prompt: 5 })).toBe(
		"Invalid type for 'prompt': expected a string or an array of strings or " +
			'an array of integers or an array of arrays of integers, got 5.',
	)
})

test('long values are cut in messages', async () => {
	const response = await testApp().post('/v1/completions', {
		prompt: 'a',
		truncation: 'x'.repeat(5000),
	})
	expect((await response.json()).error.message.length).toBeLessThan(300)
})

test('null is the same as absent', async () => {
	const nulls = {
		model: null,
		max_tokens: null,
		temperature: null,
		stop: null,
		n: null,
		stream: null,
		stream_options: { include_usage: null },
		seed: null,
		logit_bias: null,
		response_format: null,
		tools: null,
		user: null,
	}
	const response = await testApp().post('/v1/chat/completions', { ...chat, ...nulls })
	expect(response.status).toBe(200)
})

test('fields that are not known are ignored', async () => {
	const extras = { keep_alive: '5m', options: { x: 1 }, mm_processor_kwargs: [], __proto__x: 1 }
	const response = await testApp().post('/v1/chat/completions', { ...chat, ...extras })
	expect(response.status).toBe(200)
})

test('a __proto__ key gives nothing a default', async () => {
	const body = '{"prompt":"a","__proto__":{"stream":true,"n":3}}'
	const response = await testApp().post('/v1/completions', body)
	expect((await response.json()).choices).toHaveLength(1)
})

test('of a prompt far beyond any context only the end is encoded', async () => {
	const app = testApp()
	const prompt = `${'a'.repeat(1_000_000)}b`
	await app.post('/v1/completions', { prompt, max_tokens: 1 })
	await app.post('/v1/chat/completions', {
		messages: [
			{ role: 'user', content: 'x' },
			{ role: 'user', content: prompt },
		],
	})
	await app.get(`/api/inference?query=${'c'.repeat(8000)}`)
	const lengths = app.catalog.runs.map((run) => run.request.promptTokenIds.length)
	expect(lengths).toEqual([128 * 1024, 128 * 1024, 8000])
	expect(app.catalog.runs[0]!.request.promptTokenIds.at(-1)).toBe(fakeTokenizer.encode('b')[0]!)
})

test('a piece of an upload without a body is no piece', async () => {
	const app = testApp({ deps: { uploads: { ...noUploads, secret: 's' } } })
	const headers = { 'X-Upload-Id': '0', 'X-Chunk-Index': '0', 'X-Total-Chunks': '1' }
	const request = new Request('http://localhost/api/upload/chunk', {
		method: 'POST',
		headers: { ...headers, authorization: 'Bearer s' },
	})
	const answer = await app.app.handle(request)
	expect([answer.status, (await answer.json()).error.param]).toEqual([400, 'body'])
})
