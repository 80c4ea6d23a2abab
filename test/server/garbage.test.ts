import { expect, test } from 'bun:test'
import { Garbage } from '../../src/server/garbage.ts'

const MIB = 2 ** 20

/** Garbage of which a megabyte may wait; a collector that says what there is, and what it was asked to do. */
function watched() {
	const calls: string[] = []
	const inUse = { recent: 0, all: 0 }
	const garbage = new Garbage(MIB, {
		recent: () => {
			calls.push('recent')
			return inUse.recent
		},
		all: () => {
			calls.push('all')
			return inUse.all
		},
	})
	/** A long body from its beginning to its end. */
	const pass = async () => {
		await garbage.makeRoom(2 * MIB)
		garbage.add(2 * MIB)
	}
	return { garbage, pass, calls, inUse }
}

test('nothing is collected for what is made first', async () => {
	const { pass, calls } = watched()
	await pass()
	expect(calls).toEqual([])
})

test('what bodies left is collected before more is made of one, the recent part of it only', async () => {
	const { pass, calls } = watched()
	await pass()
	await pass()
	await pass()
	expect(calls).toEqual(['recent', 'recent'])
})

test('all is collected once what lived through collections has grown by as much as may wait', async () => {
	const { pass, calls, inUse } = watched()
	await pass()
	inUse.recent = MIB
	await pass()
	inUse.recent = MIB + 1
	await pass()
	expect(calls).toEqual(['recent', 'recent', 'all'])
})

test('what is in use then counts no more', async () => {
	const { pass, calls, inUse } = watched()
	await pass()
	inUse.recent = 100 * MIB
	inUse.all = 99 * MIB
	await pass()
	expect(calls.splice(0)).toEqual(['recent', 'all'])
	await pass()
	expect(calls).toEqual(['recent'])
})

test('a collection of all has a turn of the event loop of its own', async () => {
	const { garbage, pass, calls, inUse } = watched()
	await pass()
	inUse.recent = 100 * MIB
	setImmediate(() => calls.push('somebody else'))
	const room = garbage.makeRoom(2 * MIB).then(() => calls.push('room'))
	await new Promise((resolve) => setImmediate(resolve))
	setImmediate(() => calls.push('somebody else'))
	await room
	expect(calls).toEqual(['recent', 'somebody else', 'all', 'somebody else', 'room'])
})
