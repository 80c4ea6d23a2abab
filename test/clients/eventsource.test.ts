/** `eventsource`, as a page of another origin, against GET /api/inference of the compiled server. */
import { afterAll, describe, expect, test } from 'bun:test'
import { EventSource } from 'eventsource'
import { startAlpha } from '../helpers/alpha-server.ts'
import { engineStops } from './engine-load.ts'

const server = await startAlpha({ runs: ['v2-relu-char', 'v1-bpe'] })
afterAll(() => server.stop())

interface Received {
	readonly tokens: readonly string[]
	readonly headers: Headers
}

/** Listens until `[DONE]`, as a page does that must not start the generation again. */
function listen(query: Record<string, string>): Promise<Received> {
	const url = `${server.url}/api/inference?${new URLSearchParams(query)}`
	const { promise, resolve, reject } = Promise.withResolvers<Received>()
	const tokens: string[] = []
	let headers = new Headers()
	const source = new EventSource(url, {
		fetch: async (input, init) => {
			const response = await fetch(input, {
				...init,
				headers: { ...init.headers, origin: 'https://page.example' },
			})
			headers = response.headers
			return response
		},
	})
	source.onmessage = ({ data }) => {
		if (data === '[DONE]') {
			source.close()
			resolve({ tokens, headers })
		} else {
			tokens.push(JSON.parse(data).token)
		}
	}
	source.onerror = ({ code, message }) => {
		source.close()
		reject(Object.assign(new Error(message), { code }))
	}
	return promise
}

const tune = 'X:1\nM:4/4\nK:G\n|:G'

describe('eventsource: GET /api/inference', () => {
	test('echoes the prompt first, then streams what the trainer itself would generate', async () => {
		const { tokens } = await listen({ query: tune, temp: '0', steps: '22' })
		expect(tokens[0]).toBe(tune)
		expect(tokens.slice(1).join('')).toStartWith('\n|:ABcd|defg|defg|cde')
	})

	test('may be read from any origin', async () => {
		const { headers } = await listen({ query: tune, steps: '1' })
		expect(headers.get('access-control-allow-origin')).toBe('*')
		expect(headers.get('access-control-allow-credentials')).toBeNull()
		expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
	})

	test('starts from nothing with an empty query', async () => {
		const { tokens } = await listen({ steps: '5' })
		expect(tokens[0]).toBe('')
		expect(tokens.slice(1).join('')).toHaveLength(5)
	})

	test('makes 200 tokens by default and 500 at most', async () => {
		// One token per character in this model.
		const length = async (query: Record<string, string>) =>
			(await listen({ query: tune, ...query })).tokens.slice(1).join('').length
		expect(await length({})).toBe(200)
		expect(await length({ steps: '100000' })).toBe(500)
	})

	test('with topk 1 is greedy, with a seed repeatable', async () => {
		const text = async (query: Record<string, string>) =>
			(await listen({ query: tune, steps: '30', ...query })).tokens.join('')
		expect(await text({ topk: '1', temp: '2' })).toBe(await text({ temp: '0' }))
		const seeded = { temp: '1.5', topk: '0', seed: '9' }
		expect(await text(seeded)).toBe(await text(seeded))
		expect(await text(seeded)).not.toBe(await text({ ...seeded, seed: '10' }))
	})

	test('serves the model that is named', async () => {
		const { tokens } = await listen({ query: 'Blessed is the man', model: 'v1-bpe', temp: '0' })
		expect(tokens.slice(1).join('')).toStartWith('chovenemilevered to the shath')
	})

	test.each([
		['an unknown model', { model: 'nobody' }, 404],
		['steps that are no number', { steps: 'abc' }, 400],
		['negative steps', { steps: '-1' }, 400],
		['a fraction of steps', { steps: '1.5' }, 400],
		['a negative topk', { topk: '-1' }, 400],
		['an empty temp', { temp: '' }, 400],
	])('stops for good on %s, before a stream starts', async (_name, query, status) => {
		const error = await listen(query as unknown as Record<string, string>).catch((cause) => cause)
		expect(error.code).toBe(status)
	})

	test('stops the engine when the page closes the source', async () => {
		const query = new URLSearchParams({ model: 'novels-austen', query: 'The', steps: '500' })
		const source = new EventSource(`${server.url}/api/inference?${query}`)
		const { promise, resolve } = Promise.withResolvers<void>()
		let events = 0
		source.onmessage = () => {
			if (++events === 3) resolve()
		}
		await promise
		source.close()
		await engineStops(server)
	})
})
