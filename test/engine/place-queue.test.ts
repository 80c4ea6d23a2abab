/** Who runs and who waits on one model, by a clock of its own. */
import { describe, expect, test } from 'bun:test'
import { PlaceQueue } from '../../src/engine/place-queue.ts'
import { Fault } from '../../src/lib/fault.ts'

interface QueueSettings {
	placesMax?: number
	waitingMax?: number
	waitMsMax?: number
	hasRoom?: () => boolean
}

/** A queue with a clock that stands still, and the order in which it admits and refuses. */
function setUp(settings: QueueSettings = {}) {
	const queue = new PlaceQueue({
		placesMax: 2,
		waitingMax: 8,
		waitMsMax: 1000,
		hasRoom: () => true,
		...settings,
	})
	const admitted: string[] = []
	/** Of them, those whose client held no place. */
	const only: string[] = []
	const refused: string[] = []
	const clock = { now: 0 }
	const enter = (client: string, choices = 1) => {
		const waiter = {
			client,
			choices,
			admit: (isOnly: boolean) => {
				admitted.push(client)
				if (isOnly) only.push(client)
			},
			refuse: (error: Error) => void refused.push(`${client}: ${(error as Fault).kind}`),
		}
		queue.enter(waiter, clock.now)
		return waiter
	}
	const release = (client: string, choices = 1) => {
		queue.release(client, choices, clock.now)
		queue.admit()
	}
	return { queue, admitted, only, refused, clock, enter, release }
}

/** Both places are held by `one`, and places come free at one in 100 ms. */
function busy(settings: QueueSettings = {}) {
	const state = setUp(settings)
	state.enter('one')
	state.enter('one')
	for (let i = 0; i < 25; i++) {
		state.clock.now += 100
		state.release('one')
		state.enter('one')
	}
	state.admitted.length = 0
	return state
}

test('who finds a place is admitted at once, who finds none waits for it', () => {
	const { enter, release, admitted, queue } = setUp()
	for (const client of ['a', 'b', 'c']) enter(client)
	expect(admitted).toEqual(['a', 'b'])
	expect([queue.held, queue.waiting]).toEqual([2, 1])
	release('a')
	expect(admitted).toEqual(['a', 'b', 'c'])
	expect([queue.held, queue.waiting]).toEqual([2, 0])
})

describe('clients take turns', () => {
	test('the one with the fewest places is next, however long the others wait', () => {
		const { enter, release, admitted } = setUp()
		for (let i = 0; i < 6; i++) enter('flood')
		enter('victim')
		release('flood')
		expect(admitted.at(-1)).toBe('victim')
		release('flood')
		expect(admitted.at(-1)).toBe('flood')
	})

	test('those with equally many are admitted in turn', () => {
		const { enter, release, admitted } = setUp()
		enter('x')
		enter('x')
		for (const client of ['a', 'a', 'b', 'b', 'c']) enter(client)
		release('x')
		release('x')
		for (const client of ['a', 'b', 'c']) release(client)
		expect(admitted.slice(2)).toEqual(['a', 'b', 'c', 'a', 'b'])
	})

	test('one place in sixteen is kept for clients that hold none', () => {
		const { enter, admitted, queue } = setUp({ placesMax: 32, waitingMax: 100 })
		for (let i = 0; i < 40; i++) enter('flood')
		expect(queue.held).toBe(30)
		enter('a')
		enter('b')
		enter('a')
		expect(admitted.slice(30)).toEqual(['a', 'b'])
	})

	test('a newcomer takes the place in the queue of who has most in it', () => {
		const { enter, admitted, refused, release } = setUp({ waitingMax: 3 })
		for (let i = 0; i < 5; i++) enter('flood')
		expect(() => enter('flood')).toThrow(Fault)
		enter('victim')
		expect(refused).toEqual(['flood: overloaded'])
		release('flood')
		expect(admitted.at(-1)).toBe('victim')
	})
})

describe('the queue is bounded', () => {
	test('by its length', () => {
		const { enter, queue } = setUp({ waitingMax: 2 })
		for (let i = 0; i < 4; i++) enter('a')
		expect(queue.refusalFor('a', 1, 0)?.message).toBe(
			'The server is overloaded: 2 requests are waiting.',
		)
		expect(() => enter('a')).toThrow('The server is overloaded: 2 requests are waiting.')
	})

	test('by time: who would wait too long is refused at once', () => {
		const { enter, queue } = busy({ waitingMax: 100 })
		for (let i = 0; i < 9; i++) enter('one')
		expect(() => {
			enter('one')
			enter('one')
		}).toThrow(Fault)
		const { waiting } = queue
		// A newcomer has a turn before most of those who wait.
		enter('two')
		expect(queue.waiting).toBe(waiting + 1)
	})

	test('but not by what came free while nobody asked for more: the crowd after a quiet time waits', () => {
		const { enter, refused, clock, release } = setUp({ placesMax: 4 })
		for (let i = 0; i < 3; i++) {
			enter('one')
			clock.now += 1500
			release('one')
		}
		for (let i = 0; i < 8; i++) enter('one')
		expect(refused).toEqual([])
	})

	test('by time: who has waited too long is refused then', () => {
		const { enter, refused, queue } = setUp()
		for (const client of ['a', 'a', 'b']) enter(client)
		queue.expire(999)
		expect(refused).toEqual([])
		queue.expire(1000)
		expect(refused).toEqual(['b: overloaded'])
		expect(queue.waiting).toBe(0)
	})

	test('and the time to retry follows the rate at which places come free, never twice the same', () => {
		const { enter, queue, clock } = busy({ waitingMax: 100, waitMsMax: 60_000 })
		for (let i = 0; i < 100; i++) enter('one')
		const times = Array.from({ length: 50 }, () => {
			return queue.refusalFor('one', 1, clock.now)!.retrySeconds!
		})
		// 100 choices at 10 a second: ten seconds, give or take a half.
		expect(Math.min(...times)).toBeGreaterThan(4)
		expect(Math.max(...times)).toBeLessThan(16)
		expect(new Set(times).size).toBeGreaterThan(40)
	})
})

test('a request with more choices than places runs when one place is free', () => {
	const { enter, admitted, queue, release } = setUp()
	enter('a', 5)
	expect(admitted).toEqual(['a'])
	enter('b')
	release('a', 4)
	expect(admitted).toEqual(['a', 'b'])
	expect(queue.held).toBe(2)
})

test('nobody is admitted while those who hold places wait for memory', () => {
	let hasRoom = true
	const { enter, admitted, queue } = setUp({ placesMax: 8, hasRoom: () => hasRoom })
	enter('a')
	hasRoom = false
	enter('b')
	expect(admitted).toEqual(['a'])
	hasRoom = true
	queue.admit()
	expect(admitted).toEqual(['a', 'b'])
})

test('who leaves the queue is not admitted, and nothing of it stays', () => {
	const { enter, admitted, queue, release } = setUp()
	enter('a')
	enter('a')
	const waiter = enter('b')
	queue.leave(waiter)
	queue.leave(waiter)
	expect(queue.waiting).toBe(0)
	release('a')
	expect(admitted).toEqual(['a', 'a'])
})

test('who is admitted is told whether its client held a place before, at once or after a wait', () => {
	const { enter, release, admitted, only } = setUp()
	for (const client of ['a', 'a', 'b', 'a']) enter(client)
	expect([admitted, only]).toEqual([['a', 'a'], ['a']])
	release('a')
	expect([admitted, only]).toEqual([
		['a', 'a', 'b'],
		['a', 'b'],
	])
	release('a')
	expect([admitted.at(-1), only]).toEqual(['a', ['a', 'b', 'a']])
})
