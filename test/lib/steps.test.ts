import { expect, test } from 'bun:test'
import { finish, inSlicedPieces, inSlices, type Steps } from '../../src/lib/steps.ts'
import { turnsDuring } from '../helpers/turns.ts'

/** Takes a millisecond a step. */
function* work(steps: number, done: number[] = [], id = 0): Steps<number> {
	for (let step = 0; step < steps; step++) {
		const end = performance.now() + 1
		while (performance.now() < end);
		done.push(id)
		yield
	}
	return steps
}

test('work can be run to its end at once', () => {
	expect(finish(work(3))).toBe(3)
})

test('short work is over before anybody else has a turn', async () => {
	let isOver = false
	setImmediate(() => expect(isOver).toBe(true))
	await inSlices(
		(function* (): Steps<void> {
			yield
		})(),
	)
	isOver = true
	await new Promise((resolve) => setImmediate(resolve))
})

test('long work gives others their turns', async () => {
	expect(await turnsDuring(inSlices(work(20)))).toBeGreaterThan(4)
})

test('much that begins in one turn shares one slice of it', async () => {
	const done: number[] = []
	const all = Array.from({ length: 50 }, (_, id) => inSlices(work(1, done, id)))
	// Each has run one step; none that came after the slice has gone on.
	const turns = turnsDuring(Promise.all(all))
	expect(await turns).toBeGreaterThan(40)
	expect(done).toHaveLength(50)
})

test('bytes that come at once are read in short pieces, between which others have their turns', async () => {
	async function* atOnce() {
		yield Uint8Array.from({ length: 100 }, (_, i) => i)
	}
	const lengths: number[] = []
	const bytes: number[] = []
	const read = async () => {
		for await (const piece of inSlicedPieces(atOnce(), 8)) {
			finish(work(1))
			lengths.push(piece.length)
			bytes.push(...piece)
		}
	}
	expect(await turnsDuring(read())).toBeGreaterThan(4)
	expect([Math.max(...lengths), bytes]).toEqual([8, Array.from({ length: 100 }, (_, i) => i)])
})

test('work that fails rejects', async () => {
	const failing = (function* (): Steps<void> {
		yield
		throw new Error('it failed')
	})()
	expect(inSlices(failing)).rejects.toThrow('it failed')
})
