/** The promise of one answer per request, over HTTP: what a request gets depends on the request alone. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { startAlpha } from '../helpers/alpha-server.ts'
import { parseSse } from '../helpers/read-sse.ts'

// 22 texts at once on a busy machine.
setDefaultTimeout(60_000)

const server = await startAlpha({ args: ['--threads=2'] })
afterAll(() => server.stop())

interface Chunk {
	readonly choices: readonly {
		readonly text: string
		readonly delta: { readonly content?: string }
	}[]
}

function post(path: string, body: object): Promise<Response> {
	return fetch(`${server.url}${path}`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify(body),
	})
}

/** More tokens than the context of 256 holds: the window rolls on. */
const request = { model: 'novels-austen', max_tokens: 300, temperature: 0.9, seed: 1234 }
const prompt = 'It is a truth universally acknowledged, that'

async function complete(fields: object = {}): Promise<string> {
	const answer = await post('/v1/completions', { ...request, prompt, ...fields })
	const { choices } = (await answer.json()) as Chunk
	return choices[0]!.text
}

async function stream(fields: object = {}): Promise<string> {
	const body = { ...request, prompt, ...fields, stream: true }
	const answer = await post('/v1/completions', body)
	const events = parseSse(await answer.text()).slice(0, -1)
	return events.map(({ data }) => (JSON.parse(data) as Chunk).choices[0]?.text ?? '').join('')
}

const alone = await complete()

test('the same seed gives the same text, another seed another one', async () => {
	expect(alone.length).toBeGreaterThan(500)
	expect(await complete()).toBe(alone)
	expect(await complete({ seed: 1235 })).not.toBe(alone)
})

test('a streamed text is the text in one piece', async () => {
	expect(await stream()).toBe(alone)
})

test('a text does not depend on the other requests under way', async () => {
	const others = Array.from({ length: 20 }, (_, i) =>
		i % 2 === 0 ? complete({ seed: i }) : stream({ seed: i, prompt: `${i} ${prompt}` }),
	)
	const [whole, streamed, ...rest] = await Promise.all([complete(), stream(), ...others])
	expect(whole).toBe(alone)
	expect(streamed).toBe(alone)
	expect(new Set(rest).size).toBe(20)
})

test('a greedy text is the same on every endpoint', async () => {
	const messages = [{ role: 'user', content: prompt }]
	const greedy = { model: 'novels-austen', temperature: 0, max_tokens: 60, prompt, messages }
	const inference = new URLSearchParams({
		model: 'novels-austen',
		query: prompt,
		steps: '60',
		temp: '0',
	})
	const [completion, chat, generate, text, events] = await Promise.all([
		post('/v1/completions', greedy).then((answer) => answer.json()),
		post('/v1/chat/completions', greedy).then((answer) => answer.json()),
		post('/api/generate', greedy).then((answer) => answer.json()),
		post('/api/chat', { ...greedy, maxTokens: 60 }).then((answer) => answer.text()),
		fetch(`${server.url}/api/inference?${inference}`).then((answer) => answer.text()),
	])
	const expected: string = completion.choices[0].text
	expect(expected.length).toBeGreaterThan(50)
	expect(chat.choices[0].message.content).toBe(expected)
	expect(generate.text).toBe(expected)
	expect(text).toBe(expected)
	const tokens = parseSse(events).slice(1, -1)
	expect(tokens.map(({ data }) => JSON.parse(data).token).join('')).toBe(expected)
})
