/** Formats that a text is held to, in the spelling of every server whose clients come here. */
import { describe, expect, test } from 'bun:test'
import { testApp } from '../helpers/test-app.ts'

const schema = { type: 'object', properties: { a: { enum: [1, 2] } }, required: ['a'] }
const isObject = (text: string) => typeof JSON.parse(text) === 'object'
const fits = (text: string) => [1, 2].includes(JSON.parse(text).a)
const isChoice = (text: string) => ['yes', 'no'].includes(text)
const isMatch = (text: string) => /^[ab]{2}c$/.test(text)

/** [field and value, what its texts are like] */
const spellings: [Record<string, unknown>, (text: string) => boolean][] = [
	[{ response_format: { type: 'json_object' } }, isObject],
	[{ response_format: { type: 'json_object', schema } }, fits],
	[{ response_format: { type: 'json_schema', schema } }, fits],
	[{ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } }, fits],
	[{ json_schema: schema }, fits],
	[{ json_schema: JSON.stringify(schema) }, fits],
	[{ guided_json: schema }, fits],
	[{ guided_json: JSON.stringify(schema) }, fits],
	[{ structured_outputs: { json: schema } }, fits],
	[{ structured_outputs: { json_object: true } }, isObject],
	[{ format: schema }, fits],
	[{ format: 'json' }, isObject],
	[{ guided_choice: ['yes', 'no'] }, isChoice],
	[{ structured_outputs: { choice: ['yes', 'no'] } }, isChoice],
	[{ guided_regex: '[ab]{2}c' }, isMatch],
	[{ regex: '[ab]{2}c' }, isMatch],
	[{ structured_outputs: { regex: '[ab]{2}c' } }, isMatch],
]

async function answer(path: string, fields: Record<string, unknown>) {
	const app = testApp()
	const messages = [{ role: 'user', content: 'once' }]
	const prompt = path.startsWith('/v1/responses')
		? { input: 'once' }
		: path === '/v1/completions'
			? { prompt: 'once', max_tokens: 200 }
			: { messages }
	const response = await app.post(path, { ...prompt, ...fields })
	const body = await response.json()
	const text =
		body.choices?.[0].message?.content ?? body.choices?.[0].text ?? body.output?.[0].content[0].text
	return { status: response.status, body, text, request: app.catalog.runs[0]?.request }
}

const paths = ['/v1/chat/completions', '/v1/completions', '/v1/responses']

describe.each(paths)('%s holds a text to', (path) => {
	test.each(spellings)('%j', async (field, isRight) => {
		const { status, text } = await answer(path, field)
		expect(status).toBe(200)
		expect({ text, isRight: isRight(text) }).toEqual({ text, isRight: true })
	})

	test.each(
		[
			{ response_format: {} },
			{ response_format: { type: 'text' } },
			{ json_schema: {} },
			{ json_schema: '' },
			{ format: '' },
			{ format: {} },
			{ guided_json: {} },
			{ guided_json: '' },
			{ guided_json: '{}' },
			{ guided_choice: [] },
			{ guided_regex: '' },
			{ structured_outputs: {} },
			{ structured_outputs: { json: {}, choice: [], regex: '', json_object: false } },
			{ grammar: '', ebnf: '', guided_grammar: '', bad_words: [], use_beam_search: false },
			{ guided_json: null, guided_choice: null, regex: null, structured_outputs: null },
		].map((field) => [field]),
	)('nothing where a value is empty: %j', async (field) => {
		const { status, request } = await answer(path, field)
		expect([status, request?.constrained]).toEqual([200, false])
	})
})

test('/v1/responses takes its own format without a wrapper', async () => {
	const { text } = await answer('/v1/responses', {
		text: { format: { type: 'json_schema', schema } },
	})
	expect(fits(text)).toBe(true)
})

test('prompts of one completion share their format', async () => {
	const fields = { prompt: ['a', 'b'], guided_choice: ['yes', 'no'] }
	const { body } = await answer('/v1/completions', fields)
	expect(body.choices).toHaveLength(2)
	for (const { text } of body.choices) expect(isChoice(text)).toBe(true)
})

describe.each(['/api/generate', '/api/chat'])('%s holds a text to no format', (path) => {
	const prompt = { prompt: 'once', messages: [{ role: 'user', content: 'once' }] }

	test.each(spellings)('and refuses %j by name', async (field) => {
		const response = await testApp().post(path, { ...prompt, ...field })
		const { error } = await response.json()
		expect([response.status, error.param]).toEqual([400, Object.keys(field)[0]!])
	})

	test.each([
		{ format: '' },
		{ response_format: { type: 'text' } },
		{ guided_json: {}, bad_words: [] },
	])('but takes %j, which asks for none', async (field) => {
		expect((await testApp().post(path, { ...prompt, ...field })).status).toBe(200)
	})
})
