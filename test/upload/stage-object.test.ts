import { expect, test } from 'bun:test'
import { stageObject } from '../../src/upload/stage-object.ts'
import type { StagedRun } from '../../src/upload/staging.ts'

const MIB = 2 ** 20

test('a value that comes byte by byte takes little more memory than its text', async () => {
	const bytesMax = 4 * MIB
	const length = bytesMax - 2
	async function* body() {
		yield Buffer.from('{"config":"')
		const piece = Buffer.from('x')
		for (let i = 0; i < length; i++) yield piece
		yield Buffer.from('"}')
	}
	const before = process.memoryUsage.rss()
	let after = Number.POSITIVE_INFINITY
	const { values } = await stageObject({} as StagedRun, body(), {
		values: { config: bytesMax },
		texts: {},
		objects: {},
		onValue: () => {
			after = process.memoryUsage.rss()
		},
	})
	expect(values.get('config')).toBe('x'.repeat(length))
	expect(after - before).toBeLessThan(200 * MIB)
})
