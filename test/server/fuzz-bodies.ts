/** Bodies of requests, whatever their bytes: an answer or a refusal that names what is wrong. */
import frontEnds from '../fixtures/front-ends.json' with { type: 'json' }
import type { FuzzTarget, SeedFile } from '../helpers/fuzz.ts'
import { testApp } from '../helpers/test-app.ts'
import pydantic from '../text/constraint/schemas/pydantic.json' with { type: 'json' }

const REFUSALS = [400, 404, 413, 415]

const app = testApp()

/** The route is the name up to its first blank. */
function seedOf(path: string, name: string, body: unknown): SeedFile {
	return { name: `${path} ${name}`, bytes: Buffer.from(JSON.stringify(body)) }
}

function formatOf(schema: unknown) {
	return { type: 'json_schema', json_schema: { name: 'a', schema } }
}

export const requestBodies: FuzzTarget = {
	name: 'request-bodies',
	seeds: () => [
		...frontEnds.map(({ path, name, body }) => seedOf(path, name, body)),
		...Object.entries(pydantic).map(([name, schema]) =>
			seedOf('/v1/completions', name, { prompt: 'a', response_format: formatOf(schema) }),
		),
		seedOf('/v1/responses', 'input', { input: [{ role: 'user', content: 'a' }] }),
		seedOf('/v1/embeddings', 'ids', { input: [[0, 1], [1]] }),
		seedOf('/tokenize', 'text', { prompt: 'a', return_token_strs: true }),
		seedOf('/detokenize', 'ids', { tokens: [0, 1] }),
		seedOf('/api/generate', 'prompt', { prompt: 'a', max_tokens: 3, temperature: 0 }),
		seedOf('/api/chat', 'messages', { messages: [{ role: 'user', content: 'a' }] }),
	],
	async read({ name, bytes }) {
		const path = name.slice(0, name.indexOf(' '))
		const response = await app.post(path, Buffer.from(bytes).toString())
		const text = await response.text()
		if (response.status === 200) return true
		const { error } = JSON.parse(text)
		if (!REFUSALS.includes(response.status)) throw new Error(`${response.status}: ${text}`)
		if (typeof error.message !== 'string' || typeof error.code !== 'string') {
			throw new Error(`not an error of the API: ${text}`)
		}
		return false
	},
}
