import { expect, test } from 'bun:test'
import { race } from './race.ts'

test('50 uploads of one name at once: one wins, readers see one version', async () => {
	expect(await race(10, 50)).toBeGreaterThanOrEqual(10)
})
