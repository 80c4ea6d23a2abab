import { describe, expect, test } from 'bun:test'
import { ReaderTurns } from '../../src/engine/reader-turns.ts'
import { nextTurn } from '../../src/lib/steps.ts'

function setUp() {
	const turns = new ReaderTurns()
	const woken: string[] = []
	const reader = (name: string) => ({ wakeReader: () => void woken.push(name) })
	const crowd = Array.from({ length: 40 }, (_, i) => reader(`${i}`))
	const addCrowd = () => {
		for (const each of crowd) turns.add(each, false)
	}
	return { turns, woken, reader, addCrowd }
}

describe('readers of a report', () => {
	test('are woken at once where they are few', () => {
		const { turns, woken, reader } = setUp()
		turns.add(reader('a'), false)
		turns.add(reader('b'), false)
		turns.wake(() => {})
		expect(woken).toEqual(['a', 'b'])
	})

	test('have turns of the event loop between them where they are many, each woken once', async () => {
		const { turns, woken, addCrowd } = setUp()
		addCrowd()
		addCrowd()
		turns.wake(() => {})
		const counts = [woken.length]
		while (counts.at(-1)! < 40 && counts.length < 20) {
			await nextTurn()
			counts.push(woken.length)
		}
		expect(counts).toEqual([4, 8, 12, 16, 20, 24, 28, 32, 36, 40])
		expect(new Set(woken).size).toBe(40)
	})

	test('have a turn after that of those who get their first token', async () => {
		const { turns, woken, reader } = setUp()
		turns.add(reader('a'), false)
		turns.add(reader('newcomer'), true)
		turns.wake(() => {})
		expect(woken).toEqual(['newcomer'])
		await nextTurn()
		expect(woken).toEqual(['newcomer', 'a'])
	})

	test('do not keep those waiting who get their first token', async () => {
		const { turns, woken, reader, addCrowd } = setUp()
		addCrowd()
		turns.wake(() => {})
		turns.add(reader('newcomer'), true)
		await nextTurn()
		expect(woken[4]).toBe('newcomer')
	})

	test('keep their turn when more comes for them', async () => {
		const { turns, woken, addCrowd } = setUp()
		addCrowd()
		turns.wake(() => {})
		addCrowd()
		await nextTurn()
		expect(woken.slice(4)).toEqual(['4', '5', '6', '7'])
	})

	test('are reported as woken when sockets have had a turn behind the last of them', async () => {
		const { turns, woken, reader } = setUp()
		const told: number[] = []
		turns.add(reader('a'), false)
		turns.wake(() => told.push(woken.length))
		expect(told).toEqual([])
		await nextTurn()
		expect(told).toEqual([1])
	})

	test('are reported as woken however many have been added behind them', async () => {
		const { turns, woken, reader, addCrowd } = setUp()
		let toldAt = 0
		addCrowd()
		turns.wake(() => {
			toldAt = woken.length
		})
		for (let i = 0; i < 40 && toldAt === 0; i++) {
			for (let more = 0; more < 40; more++) turns.add(reader('later'), false)
			await nextTurn()
		}
		expect(toldAt).toBeGreaterThan(40)
		expect(woken.slice(0, 40)).not.toContain('later')
	})
})
