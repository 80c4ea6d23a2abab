import { describe, expect, test } from 'bun:test'
import { Rate } from '../../src/server/pacing.ts'
import { testApp } from '../helpers/test-app.ts'

describe('a rate', () => {
	test('lets bursts through, and spreads what is beyond', () => {
		const rate = new Rate()
		const delays = Array.from({ length: 700 }, () => rate.delayOf('192.0.2.1', 0))
		expect(delays.slice(0, 500)).toEqual(Array.from({ length: 500 }, () => 0))
		expect(delays[599]).toBeCloseTo(200)
		expect(delays[699]).toBeCloseTo(400)
	})

	test('forgives with time', () => {
		const rate = new Rate()
		for (let i = 0; i < 700; i++) rate.delayOf('192.0.2.1', 0)
		expect(rate.delayOf('192.0.2.1', 1000)).toBe(0)
	})

	test('never lets an answer wait for more than five seconds', () => {
		const rate = new Rate()
		for (let i = 0; i < 20_000; i++) rate.delayOf('192.0.2.1', 0)
		expect(rate.delayOf('192.0.2.1', 0)).toBe(5000)
		expect(rate.delayOf('192.0.2.1', 5600)).toBe(0)
	})

	test('is of each address', () => {
		const rate = new Rate()
		for (let i = 0; i < 700; i++) rate.delayOf('192.0.2.1', 0)
		expect(rate.delayOf('192.0.2.2', 0)).toBe(0)
	})

	test('forgets those who owe nothing, so that many addresses take no memory', () => {
		const rate = new Rate()
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
