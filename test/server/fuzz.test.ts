/** Any JSON in any field is answered or refused with 400 and a field; nothing is ever a 500. */
import { expect, test } from 'bun:test'
import fc from 'fast-check'
import { testApp } from '../helpers/test-app.ts'

const casesPerRoute = 400

const messages = [{ role: 'user', content: 'once' }]

/** A valid body of each route, whose fields are replaced one to three at a time. */
const routes: [string, object][] = [
	[
		'/v1/chat/completions',
		{
			messages,
			model: 'first',
			max_tokens: 5,
			temperature: 1,
			top_p: 1,
			top_k: 3,
			n: 1,
			stop: ['x'],
			stream: false,
			stream_options: {},
			logprobs: true,
			top_logprobs: 1,
			logit_bias: {},
			response_format: { type: 'text' },
			seed: 1,
			tool_choice: 'auto',
			modalities: ['text'],
		},
	],
	[
		'/v1/completions',
		{ prompt: 'a', echo: true, logprobs: 1, best_of: 1, suffix: '', max_tokens: 2, stream: false },
	],
	[
		'/v1/responses',
		{
			input: 'a',
			instructions: 'b',
			text: { format: { type: 'text' } },
			stream: false,
			include: [],
		},
	],
	['/v1/embeddings', { input: 'a', encoding_format: 'float', dimensions: 4 }],
	['/tokenize', { prompt: 'a', return_token_strs: true }],
	['/detokenize', { tokens: [1] }],
	['/api/generate', { prompt: 'a', max_tokens: 1, temperature: 0, model: 'first', seed: 1 }],
	['/api/chat', { messages, maxTokens: 3, temperature: 0, topk: 1 }],
]

/** JSON values with a liking for what the fields mean. */
const value = fc.oneof(
	fc.jsonValue(),
	fc.constantFrom(0, -1, 1.5, 1e300, -0, 2 ** 53, '', 'text', [], {}, null, true, 'json_object'),
	fc.array(fc.oneof(fc.string(), fc.integer(), fc.array(fc.integer()))),
	fc.array(
		fc.record(
			{
				role: fc.constantFrom('user', 'assistant', 'boss', null),
				content: fc.oneof(
					fc.string(),
					fc.array(fc.record({ type: fc.string(), text: fc.string() })),
				),
			},
			{ requiredKeys: [] },
		),
	),
	fc.record({ type: fc.constantFrom('json_schema', 'text'), json_schema: fc.jsonValue() }),
)

for (const [path, valid] of routes) {
	test(path, async () => {
		const app = testApp()
		const changes = fc.dictionary(fc.constantFrom(...Object.keys(valid)), value, {
			minKeys: 1,
			maxKeys: 3,
		})
		await fc.assert(
			fc.asyncProperty(changes, async (change) => {
				const response = await app.post(path, { ...valid, ...change })
				const text = await response.text()
				if (response.status === 200) return
				expect([400, 404]).toContain(response.status)
				const { error } = JSON.parse(text)
				expect(error.message).toBeString()
				expect(error.code).toBeString()
				expect(error.type).toBe('invalid_request_error')
			}),
			{ numRuns: casesPerRoute, seed: 1 },
		)
		expect(app.catalog.leaseCount()).toBe(0)
		expect(app.logged.filter((line) => line.includes('"level":"error"'))).toEqual([])
	}, 60_000)
}
