/** Requests as chat front ends and editors send them, with all their fields: each is answered. */
import { afterAll, expect, test } from 'bun:test'
import requests from '../fixtures/front-ends.json'
import { startAlpha } from '../helpers/alpha-server.ts'
import { parseSse } from '../helpers/read-sse.ts'

const server = await startAlpha({ args: ['--no-embedded-model'] })
afterAll(() => server.stop())

test.each(requests)('$name', async ({ path, body }) => {
	const response = await fetch(server.url + path, {
		method: 'POST',
		headers: { 'content-type': 'application/json', authorization: 'Bearer any-key' },
		body: JSON.stringify(body),
	})
	const text = await response.text()
	expect(response.status, text).toBe(200)
	if (!body.stream) {
		expect(JSON.parse(text).choices).toHaveLength(1)
		return
	}
	const frames = parseSse(text).map(({ data }) => data)
	expect(frames.at(-1)).toBe('[DONE]')
	const chunks = frames.slice(0, -1).map((data) => JSON.parse(data))
	expect(chunks.filter(({ error }) => error !== undefined)).toEqual([])
	expect(chunks.some(({ choices }) => /stop|length/.test(choices[0]?.finish_reason))).toBe(true)
})
