/** A slice of what `bun test/fuzz.ts` does for as long as one likes. */
import { describe, expect, test } from 'bun:test'
import { targets } from './fuzz.ts'
import { fuzz, replayCorpus } from './helpers/fuzz.ts'

describe.each(targets.map((target) => [target.name, target] as const))('%s', (_name, target) => {
	test('with random edits are taken or refused, nothing else', async () => {
		expect(await fuzz(target, 3000, 1)).toBeGreaterThan(0)
	}, 60_000)

	test('that once made a reader fail do so no more', async () => {
		expect(await replayCorpus(target)).toBeGreaterThanOrEqual(0)
	})
})
