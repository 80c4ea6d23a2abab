import { expect, test } from 'bun:test'
import { countMissedUploads } from './upload-visible.ts'

test('what an upload has stored is served when it is answered, whatever happens beside it', async () => {
	const { missed, repeats } = await countMissedUploads(400)
	expect(missed).toBe(0)
	// Where the bytes were there already, there is another way to the answer.
	expect(repeats).toBeGreaterThan(0)
}, 60_000)
