import { describe, expect, test } from 'bun:test'
import { EventQueue } from '../../src/engine/event-queue.ts'
import type { TokenEvent } from '../../src/engine/generation.ts'

const token = (choice: number, tokenId: number): TokenEvent => ({ type: 'token', choice, tokenId })
const scored = (tokenId: number): TokenEvent => ({
	type: 'token',
	choice: 1,
	tokenId,
	logprob: { logprob: -1, rank: 1, top: [] },
})
const prompt: TokenEvent = { type: 'prompt', promptTokens: 3, cachedTokens: 0 }
const finish: TokenEvent = { type: 'finish', choice: 0, finishReason: 'stop' }

function takeAll(queue: EventQueue): TokenEvent[] {
	const taken: TokenEvent[] = []
	for (let event = queue.shift(); event !== undefined; event = queue.shift()) taken.push(event)
	return taken
}

describe('a queue of events', () => {
	test('gives every kind back as it came, in the order of arrival', () => {
		const events = [prompt, token(0, 7), scored(3), token(127, 2 ** 31 - 1), token(0, 0), finish]
		const queue = new EventQueue()
		for (const event of events) queue.push(event)
		expect(takeAll(queue)).toEqual(events)
		expect(queue.shift()).toBeUndefined()
	})

	test('holds any number of events, whenever some are taken between', () => {
		const queue = new EventQueue()
		const pushed: TokenEvent[] = []
		const taken: TokenEvent[] = []
		// A linear congruential generator: the same mix in each run.
		let state = 1
		const draw = (below: number) => {
			state = (state * 48_271) % 2_147_483_647
			return state % below
		}
		for (let i = 0; i < 10_000; i++) {
			const event = draw(10) === 0 ? scored(i) : token(draw(128), i)
			queue.push(event)
			pushed.push(event)
			// More come than go, then more go than come.
			const goes = draw(10) < (i < 5000 ? 3 : 18)
			const next = goes ? queue.shift() : undefined
			if (next !== undefined) taken.push(next)
		}
		expect([...taken, ...takeAll(queue)]).toEqual(pushed)
	})

	test('drops what is not wanted and keeps the order of the rest', () => {
		const queue = new EventQueue()
		const events = Array.from({ length: 100 }, (_, i) =>
			i % 7 === 0 ? scored(i) : token(i % 3, i),
		)
		for (const event of events) queue.push(event)
		const isWanted = (event: TokenEvent) => event.type !== 'token' || event.choice !== 1
		queue.keep(isWanted)
		queue.push(finish)
		expect(takeAll(queue)).toEqual([...events.filter(isWanted), finish])
	})
})
