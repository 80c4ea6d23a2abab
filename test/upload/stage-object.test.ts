import { fullGC, heapStats } from 'bun:jsc'
import { expect, test } from 'bun:test'
import { stageObject } from '../../src/upload/stage-object.ts'
import type { StagedRun } from '../../src/upload/staging.ts'

test('a value that comes byte by byte is not an object for each byte', async () => {
	const length = 100_000
	const objects = () => {
		fullGC()
		return heapStats().objectCount
	}
	let grown = Number.POSITIVE_INFINITY
	async function* body() {
		const before = objects()
		yield Buffer.from('{"config":"')
		const piece = Buffer.from('x')
		for (let i = 0; i < length; i++) yield piece
		grown = objects() - before
		yield Buffer.from('"}')
	}
	const { values } = await stageObject({} as StagedRun, body(), {
		values: { config: length + 2 },
		texts: {},
		objects: {},
	})
	expect(values.get('config')).toBe('x'.repeat(length))
	expect(grown).toBeLessThan(length / 10)
})
