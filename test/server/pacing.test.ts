import { describe, expect, test } from 'bun:test'
import { Fault } from '../../src/lib/fault.ts'
import { Rate } from '../../src/server/pacing.ts'
import { testApp } from '../helpers/test-app.ts'

/** As addresses have it for what costs nothing. */
const cheap = { perSecond: 500, atOnce: 500 }

describe('a rate', () => {
	test('lets bursts through, and spreads what is beyond', () => {
		const rate = new Rate(cheap)
		const delays = Array.from({ length: 700 }, () => rate.delayOf('192.0.2.1', 0))
		expect(delays.slice(0, 500)).toEqual(Array.from({ length: 500 }, () => 0))
		expect(delays[599]).toBeCloseTo(200)
		expect(delays[699]).toBeCloseTo(400)
	})

	test('forgives with time', () => {
		const rate = new Rate(cheap)
		for (let i = 0; i < 700; i++) rate.delayOf('192.0.2.1', 0)
		expect(rate.delayOf('192.0.2.1', 1000)).toBe(0)
	})

	test('never lets an answer wait for more than five seconds', () => {
		const rate = new Rate(cheap)
		for (let i = 0; i < 20_000; i++) rate.delayOf('192.0.2.1', 0)
		expect(rate.delayOf('192.0.2.1', 0)).toBe(5000)
		expect(rate.delayOf('192.0.2.1', 5600)).toBe(0)
	})

	test('is of each address', () => {
		const rate = new Rate(cheap)
		for (let i = 0; i < 700; i++) rate.delayOf('192.0.2.1', 0)
		expect(rate.delayOf('192.0.2.2', 0)).toBe(0)
	})

	test('forgets those who owe nothing, so that many addresses take no memory', () => {
		const rate = new Rate(cheap)
		for (let i = 0; i < 700; i++) rate.delayOf('192.0.2.1', 0)
		for (let i = 0; i < 20_000; i++) rate.delayOf(`address ${i}`, i / 1000)
		expect(rate.delayOf('192.0.2.1', 20)).toBeGreaterThan(100)
	})
})

describe('an address that floods', () => {
	const app = testApp()
	const from = (address: string, path: string, body?: object) => {
		const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
		const request = new Request(`http://localhost${path}`, init)
		app.connections.bind(request, { setIdleTimeout: () => {}, address: () => address })
		return app.app.handle(request)
	}
	const timed = async (answer: Promise<Response>) => {
		const startedAt = performance.now()
		await answer
		return performance.now() - startedAt
	}

	test('is answered late, but for what it may ask: others, probes and generations are not held up', async () => {
		const floods = Array.from({ length: 1200 }, () => from('192.0.2.1', '/nowhere'))
		const last = floods.at(-1)
		const body = { prompt: 'a', max_tokens: 1 }
		const others = Promise.all([
			from('192.0.2.2', '/nowhere'),
			from('192.0.2.1', '/health'),
			from('192.0.2.1', '/v1/completions', body),
		])
		let isLastAnswered = false
		void last?.then(() => {
			isLastAnswered = true
		})
		await others
		expect(isLastAnswered).toBe(false)
		expect(await timed(from('192.0.2.1', '/nowhere'))).toBeGreaterThan(200)
	})
})

describe('a crowd that finds no room', () => {
	const acquireError = new Fault('overloaded', 'The server is overloaded.', { retrySeconds: 1 })
	const { app, connections } = testApp({ acquireError })
	const ask = (address: string) => {
		const body = JSON.stringify({ prompt: 'a' })
		const request = new Request('http://localhost/v1/completions', { method: 'POST', body })
		connections.bind(request, { setIdleTimeout: () => {}, address: () => address })
		return app.handle(request)
	}

	test('is refused at once as long as it comes when it is told to, and late from as many addresses as it likes', async () => {
		const crowd = Array.from({ length: 300 }, (_, i) => ask(`192.0.2.${i % 200}`))
		for (const answer of await Promise.all(crowd)) expect(answer.status).toBe(503)
		const askedAt = performance.now()
		const more = Array.from({ length: 1000 }, (_, i) => ask(`198.51.100.${i % 200}`))
		for (const answer of await Promise.all(more)) expect(answer.status).toBe(503)
		// The rate has forgiven some of it while the first were answered.
		expect(performance.now() - askedAt).toBeGreaterThan(100)
	})
})
