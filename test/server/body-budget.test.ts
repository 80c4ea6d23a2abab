/** Bodies are bounded together: what is being read, waits and runs. */
import { expect, test } from 'bun:test'
import { BodyBudget } from '../../src/server/body-budget.ts'
import { defaultLimits } from '../../src/server/deps.ts'
import { eventually } from '../helpers/eventually.ts'
import { type FakeRun, saying } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

test('bytes are held until their request has ended', () => {
	const budget = new BodyBudget(100)
	const first = budget.open('a')
	first.take(30)
	first.take(20)
	expect(budget.bytes).toBe(50)
	expect(() => budget.open('b').take(51)).toThrow('too many bytes of requests are under way')
	first[Symbol.dispose]()
	first[Symbol.dispose]()
	expect(budget.bytes).toBe(0)
	budget.open('b').take(50)
})

test('one client holds no more than half', () => {
	const budget = new BodyBudget(100)
	using a = budget.open('a')
	a.take(50)
	expect(() => budget.open('a').take(1)).toThrow()
	using b = budget.open('b')
	b.take(50)
})

test('a request that finds no room for its body gets 503, and another one when there is', async () => {
	const runs: FakeRun[] = []
	const app = testApp({
		script: (run) => void runs.push(run),
		deps: { limits: { ...defaultLimits, bodiesBytesMax: 1000 } },
	})
	const body = { prompt: 'a'.repeat(300) }
	const first = app.post('/v1/completions', body, { 'content-length': '316' })
	await eventually(() => runs.length === 1)
	const refused = await app.post('/v1/completions', body, { 'content-length': '316' })
	expect(refused.status).toBe(503)
	expect(refused.headers.get('retry-after')).not.toBeNull()
	saying('hi')(runs[0]!)
	expect((await first).status).toBe(200)
	const again = app.post('/v1/completions', body, { 'content-length': '316' })
	await eventually(() => runs.length === 2)
	saying('hi')(runs[1]!)
	expect((await again).status).toBe(200)
})

test('a body without a length counts as it arrives', async () => {
	const app = testApp({ deps: { limits: { ...defaultLimits, bodiesBytesMax: 1000 } } })
	const response = await app.post('/v1/completions', { prompt: 'a'.repeat(600) })
	expect(response.status).toBe(503)
})

test('a page of another site cannot send what browsers send without asking', async () => {
	const headers = { 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' }
	const app = testApp()
	expect((await app.post('/v1/completions', { prompt: 'a' }, headers)).status).toBe(415)
	// A Blob without a type is sent without one, and nobody is asked either.
	const body = new Blob(['{"prompt":"a"}'])
	const untyped = new Request('http://localhost/v1/completions', { method: 'POST', body, headers })
	untyped.headers.delete('content-type')
	expect((await app.app.handle(untyped)).status).toBe(415)
	const sameSite = { 'content-type': 'text/plain', 'sec-fetch-site': 'same-origin' }
	expect((await app.post('/v1/completions', { prompt: 'a' }, sameSite)).status).toBe(200)
	const asked = { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' }
	expect((await app.post('/v1/completions', { prompt: 'a' }, asked)).status).toBe(200)
})
