import { expect, test } from 'bun:test'
import { DescriptorReserve } from '../../../src/commands/serving/descriptor-reserve.ts'

const LIMIT = 5000

/** A process with so many descriptors left for connections and the reserve. */
function setUp(free: number) {
	const told: string[] = []
	const system = { free }
	const reserve = new DescriptorReserve({
		acceptance: { pause: () => told.push('pause'), resume: () => told.push('resume') },
		log: (level) => told.push(level),
		limit: LIMIT,
		open: () => {
			if (system.free === 0)
				throw Object.assign(new Error('too many open files'), { code: 'EMFILE' })
			return LIMIT - system.free--
		},
		close: () => {
			system.free++
		},
	})
	return { told, system, reserve }
}

test('connections wait when they have taken all but the reserve, which is then there for files', () => {
	const { told, system, reserve } = setUp(100)
	system.free = 1
	reserve.look()
	expect(told).toEqual([])
	system.free = 0
	reserve.look()
	expect(told).toEqual(['pause', 'warn'])
	expect(system.free).toBe(24)
})

test('they are accepted again when more are free than the reserve', () => {
	const { told, system, reserve } = setUp(100)
	system.free = 0
	reserve.look()
	system.free = 31
	reserve.look()
	expect(told).toEqual(['pause', 'warn'])
	expect(system.free).toBe(31)
	system.free = 32
	reserve.look()
	expect(told.slice(2)).toEqual(['resume', 'info'])
	expect(system.free).toBe(8)
})

test('a process that starts without any has no reserve, and asks for one when it can', () => {
	const { told, system, reserve } = setUp(0)
	reserve.look()
	expect(told).toEqual(['pause', 'warn'])
	system.free = 50
	reserve.look()
	expect(told).toContain('resume')
	reserve[Symbol.dispose]()
	expect(system.free).toBe(50)
})

test('it is looked less often while many are free', () => {
	const { system, reserve } = setUp(3000)
	expect(reserve.look()).toBe(500)
	system.free = 1000
	expect(reserve.look()).toBe(50)
	system.free = 0
	expect(reserve.look()).toBe(50)
})
