/** Secrets never come out again: not in answers, log, metrics, nor in the list of processes. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'

const secret = 'canary-upload-1f5b'
const key = 'canary-key-93d2'
const prompt = 'canary-prompt-77aa'

test('no secret and no prompt is told to anybody', async () => {
	await using server = await startAlpha({
		runs: ['v1-char'],
		env: { UPLOAD_SECRET: secret, ALPHA_API_KEYS: key },
	})
	const ask = (path: string, init: RequestInit = {}) => fetch(`${server.url}${path}`, init)
	const json = { 'content-type': 'application/json' }
	const withKey = { ...json, authorization: `Bearer ${key}` }
	const answers = await Promise.all([
		ask('/v1/models', { headers: withKey }),
		ask('/v1/models', { headers: { authorization: `Bearer ${secret}` } }),
		ask('/v1/completions', { method: 'POST', headers: withKey, body: '{"prompt":1' }),
		ask('/v1/completions', {
			method: 'POST',
			headers: withKey,
			body: JSON.stringify({ prompt, max_tokens: 'x' }),
		}),
		ask('/api/upload', { method: 'POST', headers: withKey, body: '{}' }),
		ask('/api/upload', {
			method: 'POST',
			headers: { ...json, authorization: `Bearer ${secret}` },
			body: '{"name":"../x"}',
		}),
		ask('/metrics', { headers: withKey }),
		ask('/swagger/json'),
		ask('/'),
	])
	const texts = await Promise.all(answers.map((answer) => answer.text()))
	// Lines of requests are gathered for a moment.
	await eventually(() => server.log().includes('"path":"/api/upload"'))
	const headers = answers.map((answer) => JSON.stringify([...answer.headers]))
	const commandLine = readFileSync(`/proc/${server.pid}/cmdline`, 'utf8')
	const told = [...texts, ...headers, commandLine, server.log()].join('\n')
	for (const canary of [secret, key, prompt]) expect(told).not.toContain(canary)
})

test('names that clients invent leave no trace in the metrics', async () => {
	await using server = await startAlpha({ runs: ['v1-char'] })
	const metrics = async () => (await fetch(`${server.url}/metrics`)).text()
	const ask = (name: string) =>
		fetch(`${server.url}/v1/completions`, {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ model: name, prompt: 'a', max_tokens: 1 }),
		})
	await ask('invented')
	await fetch(`${server.url}/invented`)
	const lines = (await metrics()).split('\n').length
	for (let i = 0; i < 300; i++) await ask(`invented-${i}`)
	for (let i = 0; i < 100; i++) await fetch(`${server.url}/invented-${i}`)
	const text = await metrics()
	expect(text).not.toContain('invented')
	expect(text.split('\n').length).toBeLessThanOrEqual(lines + 4)
})
