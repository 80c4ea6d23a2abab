import { expect, test } from 'bun:test'
import { SerialQueue } from '../../src/lib/serial-queue.ts'

test('tasks run one after another, in the order in which they came', async () => {
	const queue = new SerialQueue()
	const events: string[] = []
	const task = (name: string) => async () => {
		events.push(`${name} begins`)
		await Promise.resolve()
		events.push(`${name} ends`)
	}
	void queue.run(task('a'))
	void queue.run(task('b'))
	await queue.idle()
	expect(events).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
})

test('a task settles the promise of whoever gave it', async () => {
	const queue = new SerialQueue()
	expect(await queue.run(() => 7)).toBe(7)
	expect(await queue.run(() => Promise.reject('no')).catch((reason) => reason)).toBe('no')
})

test('a task that fails, at once or later, does not keep the next one from running', async () => {
	const queue = new SerialQueue()
	const thrown = queue.run(() => {
		throw new Error('thrown')
	})
	const rejected = queue.run(() => Promise.reject(new Error('rejected')))
	const next = queue.run(() => 'done')
	expect((await Promise.allSettled([thrown, rejected])).map(({ status }) => status)).toEqual([
		'rejected',
		'rejected',
	])
	expect(await next).toBe('done')
})
