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

test('what the engine collects by itself counts no more either', async () => {
	const { pass, calls, inUse } = watched()
	await pass()
	inUse.recent = inUse.all = 100 * MIB
	await pass()
	inUse.recent = 10 * MIB
	await pass()
	calls.splice(0)
	inUse.recent = 11.5 * MIB
	await pass()
	expect(calls).toEqual(['recent', 'all'])
})

test('a collection of all has a turn of the event loop of its own', async () => {
	const { garbage, pass, calls, inUse } = watched()
	await pass()
	inUse.recent = 100 * MIB
	let isOver = false
	const takeTurns = () => {
		calls.push('turn')
		if (!isOver) setImmediate(takeTurns)
	}
	takeTurns()
	await garbage.makeRoom(2 * MIB)
	isOver = true
	expect(calls.join(' ')).toMatch(/^turn recent( turn)+ all( turn)+$/)
})

test('who comes while all is collected waits for it, and overtakes nobody', async () => {
	const { garbage, pass, calls, inUse } = watched()
	await pass()
	inUse.recent = 100 * MIB
	const first = garbage.makeRoom(2 * MIB).then(() => calls.push('first'))
	garbage.add(2 * MIB)
	const second = garbage.makeRoom(2 * MIB).then(() => calls.push('second'))
	await Promise.all([first, second])
	expect(calls).toEqual(['recent', 'recent', 'all', 'first', 'second'])
})
