import { describe, expect, test } from 'bun:test'
import { ReadinessWatchers } from '../../src/server/readiness-watchers.ts'

function watchedEvery(ms: number, looks = 10): { watchers: ReadinessWatchers; now: number } {
	const watchers = new ReadinessWatchers()
	for (let look = 0; look < looks; look++) watchers.seen('10.0.0.1 balancer', look * ms)
	return { watchers, now: (looks - 1) * ms }
}

describe('a server that stops', () => {
	test('waits until a balancer has looked three times', () => {
		const { watchers, now } = watchedEvery(500)
		expect(watchers.noticeMs(now)).toBe(1500)
	})

	test('waits for the slowest of several, but not for longer than six seconds', () => {
		const { watchers, now } = watchedEvery(5000)
		watchers.seen('10.0.0.2 balancer', now)
		expect(watchers.noticeMs(now)).toBe(6000)
	})

	test.each([
		['nobody has looked', watchedEvery(500, 0)],
		['somebody looked once or twice', watchedEvery(500, 2)],
		['a monitor looks every half minute', watchedEvery(30_000)],
	])('does not wait where %s', (_, { watchers, now }) => {
		expect(watchers.noticeMs(now)).toBe(0)
	})

	test('does not wait for a balancer that has gone', () => {
		const { watchers, now } = watchedEvery(500)
		expect(watchers.noticeMs(now + 1001)).toBe(0)
	})
})
