import { describe, expect, test } from 'bun:test'
import { Residency } from '../../src/models/residency.ts'

/** A residency of named models of given sizes that keeps a diary. */
function setUp(bytesMax = 100) {
	const diary: string[] = []
	const residency = new Residency<string>({
		bytesMax,
		changed: () => {},
		unload: async (model) => {
			diary.push(`unload ${model}`)
		},
	})
	const acquire = (name: string, bytes = 40) =>
		residency.acquire(name, {
			estimateBytes: async () => bytes,
			load: async () => {
				diary.push(`load ${name}`)
				return name
			},
		})
	return { residency, diary, acquire }
}

describe('models in memory', () => {
	test('load once however many ask at the same time', async () => {
		const { diary, acquire } = setUp()
		await Promise.all(Array.from({ length: 50 }, () => acquire('a')))
		expect(diary).toEqual(['load a'])
	})

	test('leave least recently used first', async () => {
		const { diary, acquire } = setUp()
		for (const name of ['a', 'b', 'a']) (await acquire(name)).release()
		await acquire('c')
		expect(diary).toEqual(['load a', 'load b', 'unload b', 'load c'])
	})

	test('never leave while they are in use', async () => {
		const { diary, acquire } = setUp()
		await acquire('a')
		await acquire('b')
		const refusal = acquire('c')
		expect(refusal).rejects.toMatchObject({ kind: 'overloaded', retrySeconds: 2 })
		await refusal.catch(() => {})
		expect(diary).toEqual(['load a', 'load b'])
	})

	test('are refused with both numbers when they can never fit', async () => {
		const { acquire } = setUp(50 * 2 ** 20)
		expect(acquire('huge', 80 * 2 ** 20)).rejects.toMatchObject({
			kind: 'no-room',
			message: 'The model needs 80 MiB, but models may use 50 MiB in all.',
		})
	})

	test('can be asked for again after loading failed', async () => {
		const { residency, acquire } = setUp()
		const failing = {
			estimateBytes: async () => 1,
			load: () => Promise.reject(new Error('broken')),
		}
		expect(residency.acquire('a', failing)).rejects.toThrow('broken')
		await residency.acquire('a', failing).catch(() => {})
		expect(residency.bytes).toBe(0)
		expect((await acquire('a')).model).toBe('a')
	})

	test('that were replaced leave when their last user does', async () => {
		const { residency, diary, acquire } = setUp()
		const [first, second] = [await acquire('a'), await acquire('a')]
		await residency.drop('a')
		first.release()
		expect(diary).toEqual(['load a'])
		second.release()
		second.release()
		expect(diary).toEqual(['load a', 'unload a'])
		expect(residency.list()).toEqual([])
	})

	test('stay within the budget through a thousand random requests', async () => {
		const { residency, acquire } = setUp()
		let state = 1
		for (let i = 0; i < 1000; i++) {
			state = (state * 48271) % 2147483647
			const pin = await acquire(`model ${state % 20}`, 10 + (state % 20) * 4)
			expect(residency.bytes).toBeLessThanOrEqual(100)
			pin.release()
		}
	})
})
