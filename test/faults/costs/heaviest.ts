/**
 * The heaviest allowed value of every field of every JSON body, and values just beyond what is allowed: what a
 * field may cost in memory and in time of the main thread is measured with these. A field of the
 * document that has no row here fails a test.
 */

/** Largest body, less what stands around the value. */
const BODY_BYTES = 8 * 1024 * 1024 - 64 * 1024
/** Commas and names that a body may have, less what stands around the value. */
const COMMAS = 2 ** 18 - 1000
const NAMES = 2 ** 15 - 1000

const letters = 'a'.repeat(BODY_BYTES)
/** Of a report, which may be longer. */
const report = 'a'.repeat(60 * 2 ** 20)
const prose = 'She said that it was so. '.repeat(BODY_BYTES / 25)
const emoji = '😀'.repeat(BODY_BYTES / 4)
const texts = [letters, prose, emoji]
const repeat = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value)
const numbered = (count: number, prefix = ''): string[] =>
	Array.from({ length: count }, (_, i) => `${prefix}${i}`)
const object = (count: number, value: unknown) =>
	Object.fromEntries(numbered(count, 'name').map((name) => [name, value]))
/** Metrics as trainers tell them, 40 MB. */
const points = Array.from({ length: 200_000 }, (_, step) => ({
	step,
	loss: 2 + 1 / (1 + step),
	note: 'what a trainer may write beside its numbers, '.repeat(3),
}))
const nested = (depth: number, inner: unknown): unknown => {
	let value = inner
	for (let i = 0; i < depth; i++) value = [value]
	return value
}

/** What a field of any shape can be made of. */
const anything = [letters, repeat(COMMAS, 1), object(NAMES, 1), nested(200, letters)]

const ids = [repeat(100_000, 1), repeat(COMMAS, 1)]
const idLists = [repeat(64, repeat(2000, 1)), repeat(64, repeat(4000, 1))]

const schemas = [
	{ enum: numbered(10_000) },
	{ enum: [letters] },
	{ anyOf: repeat(1900, { type: 'string' }) },
	{ oneOf: numbered(31).map((name) => ({ type: 'object', properties: { [name]: {} } })) },
	{ anyOf: repeat(COMMAS, true) },
	{ type: 'object', properties: object(1900, { type: 'integer', minimum: 3, maximum: 12_345 }) },
	{ type: 'object', properties: object(NAMES, true) },
	{ type: 'array', items: { type: 'array', items: { type: 'string', maxLength: 100_000 } } },
	{ type: 'string', pattern: '([a-z]{1,40}-)+x'.repeat(40) },
	{ type: 'string', pattern: '(a|b|ab|ba)*c.{0,30}$'.repeat(20), format: 'email' },
	{ type: 'string', pattern: `(?=.*${'a?'.repeat(900)})${'[^x]'.repeat(50)}` },
	{ type: 'array', prefixItems: repeat(1900, { enum: numbered(30) }), uniqueItems: true },
	{ description: letters },
]
const regexes = [
	'(a|b|ab|ba)*'.repeat(150),
	`(${'a?'.repeat(400)}){1,30}`,
	'[a-z]{1,1000}'.repeat(100),
	`(?=.*b)(?=.*c)(?=.*d)${'.{0,50}'.repeat(30)}`,
	'[a-z ]{1,200}',
	'(a|b|ab|ba)*c',
	letters,
]
const choices = [numbered(13_000), numbered(20_000, 'choice '), [letters], repeat(COMMAS, 'a')]

const asResponseFormat = (schema: unknown) => ({
	type: 'json_schema',
	json_schema: { name: 'x', schema },
})
const chatTool = (name: string, parameters: unknown) => ({
	type: 'function',
	function: { name, description: 'd'.repeat(100), parameters },
})
const responseTool = (name: string, parameters: unknown) => ({ type: 'function', name, parameters })
const toolLists = (tool: (name: string, parameters: unknown) => object) => [
	numbered(1000, 'tool').map((name) => tool(name, {})),
	numbered(120, 'tool').map((name) => tool(name, { properties: object(30, { type: 'string' }) })),
	[tool('f', schemas[0])],
	[tool('f', { description: letters })],
	repeat(NAMES / 2, {}),
]

const messages = (content: unknown) => [{ role: 'user', content }]
const turns = (count: number, content: string) => repeat(count, { role: 'user', content })
const parts = (count: number, text: string) => repeat(count, { type: 'text', text })

const conversations = [
	...texts.map(messages),
	turns(15_000, 'a'),
	turns(1000, 'word '.repeat(1500)),
	messages(parts(15_000, 'a')),
]

/** More of a request than one field, where fields multiply. */
type Row = Readonly<Record<string, unknown>>

const stops = repeat(64, 0).map((_, i) => `${i}`.repeat(512))

/** Rows of a field: whole values, or requests where several fields are needed. */
export interface FieldRows {
	readonly values?: readonly unknown[]
	readonly requests?: readonly Row[]
}

const shaped: Readonly<Record<string, FieldRows>> = {
	model: { values: [letters] },
	logit_bias: {
		values: [object(1024, 1), Object.fromEntries(numbered(200).map((id) => [id, 1]))],
	},
	stop: { values: [stops, letters], requests: [{ stop: stops, n: 64, max_tokens: 100 }] },
	stop_token_ids: { values: [repeat(64, 1), ...ids] },
	stream_options: { values: [{ include_usage: true, more: letters }] },
	response_format: { values: schemas.map(asResponseFormat) },
	json_schema: { values: schemas },
	format: { values: schemas },
	guided_json: { values: schemas },
	guided_choice: { values: choices },
	guided_regex: { values: regexes },
	regex: { values: regexes },
	structured_outputs: {
		values: [
			...schemas.map((json) => ({ json })),
			...regexes.map((regex) => ({ regex })),
			...choices.map((choice) => ({ choice })),
		],
	},
	guided_grammar: { values: anything },
	guided_whitespace_pattern: { values: anything },
	structural_tag: { values: anything },
	grammar: { values: anything },
	ebnf: { values: anything },
	bad_words: { values: anything },
	use_beam_search: { values: anything },
	allowed_token_ids: { values: anything },
	user: { values: anything },
	metadata: { values: anything },
}

const forcedCall = { max_tokens: 50, tool_choice: 'required' }

/** By path and field; a field that is a number, a flag or one of some words has no row by itself. */
export const heaviest: Readonly<Record<string, Readonly<Record<string, FieldRows>>>> = {
	'/v1/chat/completions': {
		...shaped,
		messages: { values: conversations },
		modalities: { values: [repeat(COMMAS, 'text')] },
		tools: {
			values: toolLists(chatTool),
			requests: toolLists(chatTool).map((tools) => ({ tools, ...forcedCall })),
		},
		tool_choice: {
			values: [
				{ type: 'function', function: { name: letters } },
				{ type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: repeat(15_000, {}) } },
			],
		},
		audio: { values: anything },
		chat_template: { values: anything },
		chat_template_kwargs: {
			values: [{ documents: letters }, object(1024, letters.slice(0, 1000))],
		},
		logprobs: { requests: [{ logprobs: true, top_logprobs: 20, n: 4, max_tokens: 1900 }] },
		n: { requests: [{ n: 64, max_tokens: 200 }] },
	},
	'/v1/completions': {
		...shaped,
		prompt: {
			values: [
				...texts,
				repeat(64, 'word '.repeat(1600)),
				repeat(64, 'a'.repeat(100_000)),
				...ids,
				...idLists,
			],
		},
		suffix: { values: [letters] },
		logprobs: { requests: [{ logprobs: 20, n: 4, max_tokens: 1900 }] },
		prompt_logprobs: { requests: [{ prompt: repeat(7000, 1), prompt_logprobs: 20 }] },
		echo: {
			requests: [
				{ prompt: repeat(100_000, 1), echo: true },
				{ prompt: repeat(7000, 1), echo: true, logprobs: 20, stream: true },
				{ prompt: 'a'.repeat(250_000), echo: true, n: 64 },
			],
		},
		n: {
			requests: [
				{ n: 64, max_tokens: 200 },
				{ prompt: repeat(64, 'a'), n: 2, max_tokens: 200 },
			],
		},
		best_of: { requests: [{ best_of: 64, max_tokens: 200 }] },
		return_token_ids: { requests: [{ prompt: ids[0], return_token_ids: true, n: 64 }] },
	},
	'/v1/responses': {
		...shaped,
		input: {
			values: [
				...texts,
				turns(15_000, 'a'),
				messages(repeat(15_000, { type: 'input_text', text: 'a' })),
				repeat(5000, { type: 'function_call_output', call_id: 'a', output: 'word '.repeat(200) }),
			],
		},
		instructions: {
			values: texts,
			requests: [{ instructions: letters.slice(0, 2 ** 20), stream: true }],
		},
		include: { values: [repeat(COMMAS, 'a')] },
		text: {
			values: schemas.map((schema) => ({ format: { type: 'json_schema', name: 'x', schema } })),
		},
		previous_response_id: { values: anything },
		conversation: { values: anything },
		prompt: { values: anything },
		tools: { values: toolLists(responseTool) },
		tool_choice: {
			values: [
				{ type: 'function', name: letters },
				{ type: 'allowed_tools', mode: 'auto', tools: repeat(15_000, {}) },
			],
		},
		store: { values: anything },
	},
	'/v1/embeddings': {
		model: { values: [letters] },
		input: {
			values: [...texts, repeat(256, 'word '.repeat(1600)), ...ids, repeat(256, repeat(500, 1))],
		},
		user: { values: anything },
	},
	'/v1/tokenize': {
		model: { values: [letters] },
		prompt: { values: [...texts, ...texts.map((text) => text.slice(0, 500_000))] },
		content: { values: [...texts, ...texts.map((text) => text.slice(0, 500_000))] },
		messages: { values: conversations },
		tools: { values: toolLists(chatTool) },
		chat_template: { values: anything },
		chat_template_kwargs: {
			values: [{ documents: letters }, object(1024, letters.slice(0, 1000))],
		},
	},
	'/v1/detokenize': { model: { values: [letters] }, tokens: { values: ids } },
	'/api/generate': { model: { values: [letters] }, prompt: { values: texts } },
	'/api/ingest': {
		type: { values: [letters] },
		runId: { values: [letters] },
		metrics: { values: [points, [{ step: 1, text: report }], report, repeat(2 ** 20, 1)] },
		events: {
			requests: [
				{ type: 'events', events: repeat(200_000, { kind: 'a', message: 'it was so' }) },
				{ type: 'events', events: [{ kind: 'a', message: report }] },
			],
		},
		event: { requests: [{ type: 'event', event: { kind: 'a', message: report } }] },
		samples: {
			requests: [
				{
					type: 'samples',
					step: 1,
					samples: repeat(10_000, { prompt: 'a', output: prose.slice(0, 500) }),
				},
				{ type: 'samples', step: 1, samples: [{ prompt: report, output: report.slice(0, 1000) }] },
			],
		},
		trend: { requests: [{ type: 'samples', step: 1, samples: [], trend: object(NAMES, 1) }] },
		...Object.fromEntries(
			['domain', 'modelConfig', 'trainConfig', 'totalParams', 'infra'].map((name) => [
				name,
				{
					requests: [report, object(NAMES, 1)].map((value) => ({
						type: 'run_start',
						[name]: value,
					})),
				},
			]),
		),
		step: { requests: [{ type: 'heartbeat', step: report }] },
	},
	'/api/ingest/complete': {
		runId: { values: [letters] },
		finalStep: { values: anything },
		failed: { values: anything },
	},
	'/api/upload': {
		name: { values: [letters] },
		config: { values: [object(NAMES, 1), { text: letters }, nested(10_000, 1)] },
		checkpoint: { values: [{ text: letters }, object(NAMES, 1), nested(10_000, 1)] },
		metrics: { values: texts },
		trainingData: { values: texts },
	},
	'/api/upload/assemble': {
		uploadId: { values: [letters] },
		name: { values: [letters] },
		config: { values: [object(NAMES, 1), { text: letters }] },
		files: { values: [numbered(20_000, 'file '), [letters]] },
		metrics: { values: texts },
		trainingData: { values: texts },
	},
	'/api/chat': {
		model: { values: [letters] },
		messages: {
			values: [
				...conversations,
				repeat(10, { role: 'user', parts: parts(1500, 'a') }),
				repeat(10_000, { role: 'assistant', parts: [] }),
			],
		},
	},
}

/** What a request needs beside the field that is measured. */
export const plain: Readonly<Record<string, Row>> = {
	'/v1/chat/completions': { messages: messages('a'), max_tokens: 1 },
	'/v1/completions': { prompt: 'a', max_tokens: 1 },
	'/v1/responses': { input: 'a', max_output_tokens: 1 },
	'/v1/embeddings': { input: 'a' },
	'/v1/tokenize': {},
	'/v1/detokenize': {},
	'/api/generate': { prompt: 'a', max_tokens: 1 },
	'/api/chat': { messages: messages('a'), maxTokens: 1 },
	'/api/ingest': { type: 'metrics', runId: 'costs' },
	'/api/ingest/complete': { runId: 'costs' },
	'/api/upload': { name: 'costs', step: 1, config: {}, checkpoint: {} },
	'/api/upload/assemble': { uploadId: 'costs', name: 'costs', step: 1, totalChunks: 1, config: {} },
}

/** Of the longest request line that a server takes, what a parameter of a query may have. */
const QUERY_LENGTH = 12_000

/** Texts of a parameter of a query, whichever it is. */
export const heaviestQueries: Readonly<Record<string, readonly string[]>> = {
	letters: ['a'.repeat(QUERY_LENGTH)],
	'escaped characters': [encodeURIComponent('😀').repeat(QUERY_LENGTH / 12)],
	'broken escapes': ['%f'.repeat(QUERY_LENGTH / 2)],
	digits: ['9'.repeat(QUERY_LENGTH)],
	'a number that is small': [`1e-${'9'.repeat(QUERY_LENGTH)}`],
	'many times': Array.from({ length: QUERY_LENGTH / 12 }, () => '1'),
}
