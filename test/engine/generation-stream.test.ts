/** What becomes of a generation whose reader is slow, gone or never there. */
import { describe, expect, test } from 'bun:test'
import { Backlog, eventBytes } from '../../src/engine/backlog.ts'
import type { TokenEvent } from '../../src/engine/generation.ts'
import { GenerationStream } from '../../src/engine/generation-stream.ts'

const top = Array.from({ length: 20 }, (_, i) => [i, -1] as const)
const scored: Extract<TokenEvent, { type: 'token' }> = {
	type: 'token',
	choice: 0,
	tokenId: 1,
	logprob: { logprob: -1, rank: 1, top },
}

function setUp(bytesMax = 2 ** 26) {
	const told: string[] = []
	const backlog = new Backlog(bytesMax, () => told.push('cut'))
	const create = (name: string, choices = 1) =>
		new GenerationStream(
			choices,
			{
				stopChoice: () => {},
				moveTo: () => {},
				abort: () => void told.push(`${name} aborted`),
				park: (count) => void told.push(`${name} parked ${count}`),
				resume: () => void told.push(`${name} resumed`),
				ended: () => {},
			},
			backlog,
		)
	return { backlog, told, create }
}

function push(stream: GenerationStream, count: number): void {
	for (let i = 0; i < count; i++) stream.push(scored)
}

function takeAll(stream: GenerationStream): number {
	let taken = 0
	for (let ready = stream.takeReady(); ready.length > 0; ready = stream.takeReady()) {
		taken += ready.length
	}
	return taken
}

describe('a stream that nobody reads', () => {
	test('may run ahead by all tokens of an answer', () => {
		const { told, create } = setUp()
		const stream = create('a')
		for (let i = 0; i < 2048; i++) stream.push({ type: 'token', choice: 0, tokenId: 1 })
		expect(told).toEqual([])
	})

	test('costs as much as numbers do, and is handed out in pieces that cost little as objects', () => {
		const { create, backlog } = setUp()
		const stream = create('a')
		for (let i = 0; i < 2048; i++) stream.push({ type: 'token', choice: 0, tokenId: i })
		expect(backlog.bytes).toBe(2048 * 8)
		expect(stream.takeReady().length).toBeLessThan(256)
		stream.stopChoice(0)
		expect(backlog.bytes).toBe(0)
	})

	test('is parked when its log-probabilities take much memory, once', () => {
		const { told, create, backlog } = setUp()
		push(create('a', 2), 1000)
		expect(told).toEqual(['a parked 2'])
		expect(backlog.bytes).toBe(1000 * eventBytes(scored))
	})

	test('goes on when it is read', () => {
		const { told, create, backlog } = setUp()
		const stream = create('a')
		push(stream, 1000)
		expect(takeAll(stream)).toBe(1000)
		expect(told).toEqual(['a parked 1', 'a resumed'])
		expect(backlog.bytes).toBe(0)
	})

	test('goes on when it is read event by event', async () => {
		const { told, create, backlog } = setUp()
		const stream = create('a')
		push(stream, 400)
		let read = 0
		for await (const _ of stream) if (++read === 400) break
		expect(told).toEqual(['a parked 1', 'a resumed', 'a aborted'])
		expect(backlog.bytes).toBe(0)
	})

	test('is read in pieces, of which none takes much memory while its socket is full', () => {
		const { create, backlog } = setUp()
		const stream = create('a')
		push(stream, 200)
		const taken = stream.takeReady().length
		expect(taken * eventBytes(scored)).toBeLessThan(32 * 1024)
		expect(backlog.bytes).toBe((200 - taken) * eventBytes(scored))
	})

	test('is parked for the log-probabilities of its prompt', () => {
		const { told, create } = setUp()
		const logprobs = Array.from({ length: 1000 }, () => scored.logprob ?? null)
		create('a').push({ type: 'prompt', promptTokens: 1000, cachedTokens: 0, logprobs })
		expect(told).toEqual(['a parked 1'])
	})

	test('is parked early when all of them have much unread', () => {
		const { told, create } = setUp(400_000)
		push(create('a'), 150)
		push(create('b'), 50)
		expect(told).toEqual(['b parked 1'])
	})

	test('is cut when all together have too much: the one with most, and its reader is told', async () => {
		const { told, create, backlog } = setUp(400_000)
		const [a, b] = [create('a'), create('b')]
		push(a, 250)
		push(b, 130)
		expect(told).toContain('cut')
		expect(told).toContain('a aborted')
		expect(backlog.bytes).toBeLessThan(400_000)
		expect(backlog.cutTotal).toBe(1)
		await expect(a[Symbol.asyncIterator]().next()).rejects.toThrow('its reader is too slow')
		expect(takeAll(b)).toBe(130)
	})

	test('leaves nothing behind when it has ended and is given up unread', () => {
		const { create, backlog } = setUp()
		const stream = create('a')
		push(stream, 10)
		stream.push({ type: 'finish', choice: 0, finishReason: 'stop' })
		expect(backlog.bytes).toBeGreaterThan(0)
		stream.abort()
		expect(backlog.bytes).toBe(0)
	})
})
