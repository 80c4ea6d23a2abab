/** Prompts that must not be cut, and questions about an answer's head alone. */
import { describe, expect, test } from 'bun:test'
import { fakeContextLength } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

const long = 'a'.repeat(fakeContextLength)

describe('a prompt that does not fit, where truncation is disabled, is refused', () => {
	test.each([
		['/v1/chat/completions', 'messages', { messages: [{ role: 'user', content: long }] }],
		['/v1/completions', 'prompt', { prompt: long }],
		['/v1/responses', 'input', { input: long }],
	])('by %s, which names its field', async (path, param, body) => {
		const { app, catalog } = testApp()
		const response = await app.handle(
			new Request(`http://localhost${path}`, {
				method: 'POST',
				body: JSON.stringify({ ...body, truncation: 'disabled' }),
			}),
		)
		expect(response.status).toBe(400)
		const { error } = await response.json()
		expect(error).toMatchObject({ code: 'context_length_exceeded', param })
		expect(error.message).toContain(
			`maximum context length is ${fakeContextLength} tokens. However, your prompt has ${fakeContextLength} tokens.`,
		)
		expect([catalog.runs.length, catalog.leaseCount()]).toEqual([0, 0])
	})
})

test.each([
	['/api/generate?prompt=hello', 'application/json'],
	['/api/inference?query=hello', 'text/event-stream; charset=utf-8'],
])('HEAD %s generates nothing', async (path, contentType) => {
	const { app, catalog } = testApp()
	const response = await app.handle(new Request(`http://localhost${path}`, { method: 'HEAD' }))
	expect([response.status, response.headers.get('content-type')]).toEqual([200, contentType])
	expect(catalog.runs).toHaveLength(0)
})
