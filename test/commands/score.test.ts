import { expect, test } from 'bun:test'
import { windowsOf } from '../../src/commands/score.ts'

test.each([
	[2, 64, 32],
	[64, 64, 32],
	[65, 64, 32],
	[1000, 64, 32],
	[1000, 64, 64],
	[200, 64, 1],
	[7, 2, 1],
])(
	'windows score each of %p tokens but the first once, behind something',
	(length, context, stride) => {
		const scored: number[] = []
		for (const { start, end, scoredFrom } of windowsOf(length, context, stride)) {
			expect(end - start).toBeLessThanOrEqual(context)
			expect(scoredFrom).toBeGreaterThan(start)
			for (let i = scoredFrom; i < end; i++) scored.push(i)
		}
		expect(scored).toEqual(Array.from({ length: length - 1 }, (_, i) => i + 1))
	},
)
