import { expect, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readLastLoss, readLossSeries } from '../../../src/checkpoint/store/training-log.ts'
import { tempDir } from '../../helpers/temp-dir.ts'

const fixture = join(import.meta.dir, '../../fixtures/v1-bpe/metrics.jsonl')

function written(text: string, directory: { readonly path: string }): string {
	const path = join(directory.path, 'metrics.jsonl')
	writeFileSync(path, text)
	return path
}

test.each([
	['the last line counts, valLoss before loss', '{"loss":3}\n{"loss":2,"valLoss":1}\n', 1],
	['a null valLoss is none', '{"loss":2,"valLoss":null}\n\n\n', 2],
	['0 counts', '{"loss":4,"valLoss":0}', 0],
	['half a line at the end hides no loss', '{"loss":1.25}\n{"step":3,"lo', 1.25],
	['a whole line that is none hides the loss', '{"loss":1.25}\n{"step":3,"lo\n', null],
	['a byte order mark before the first line is none of it', '\ufeff{"loss":3}\n', 3],
	['an empty file has none', '', null],
	['a null loss is none', '{"loss":null}\n', null],
	['a string is no loss', '{"loss":"2"}', null],
])('last loss: %s', async (_name, text, expected) => {
	using directory = tempDir()
	expect(await readLastLoss(written(text, directory))).toBe(expected)
})

test('last loss: unknown where the file cannot be read', async () => {
	expect(await readLastLoss('/nonexistent/metrics.jsonl')).toBeUndefined()
})

test('a whole series has every line in order', async () => {
	const { lineCount, badLineCount, points } = await readLossSeries(fixture, 10_000)
	expect([lineCount, badLineCount, points.length]).toEqual([450, 0, 450])
	expect(points.map(({ step }) => step)).toEqual(Array.from({ length: 450 }, (_, i) => i + 1))
})

test('a thinned series keeps its end and the validation losses', async () => {
	using directory = tempDir()
	const lines = Array.from({ length: 5000 }, (_, i) => {
		return JSON.stringify({ step: i, loss: 1, ...(i % 1000 === 10 ? { valLoss: i } : {}) })
	})
	const { lineCount, points } = await readLossSeries(written(lines.join('\n'), directory), 100)
	expect(lineCount).toBe(5000)
	expect(points.length).toBeGreaterThan(50)
	expect(points.length).toBeLessThanOrEqual(100)
	expect(points.at(-1)?.['step']).toBe(4999)
	const validation = points.flatMap(({ valLoss }) => valLoss ?? [])
	expect(validation).toEqual([10, 1010, 2010, 3010, 4010])
	const steps = points.map(({ step }) => step ?? 0)
	expect(steps).toEqual(steps.toSorted((a, b) => a - b))
})

test('bad lines are counted and cost nothing else', async () => {
	using directory = tempDir()
	const endless = 'x'.repeat(3_000_000)
	const text = `{"step":1}\n[1]\nnonsense\n\n{"step":2,"a":"text","b":null,"c":[1]}\n${endless}\n{"st`
	const series = await readLossSeries(written(text, directory), 10)
	expect(series.points).toEqual([{ step: 1 }, { step: 2, b: null }])
	expect(series.badLineCount).toBeGreaterThanOrEqual(4)
})

test('a file that does not exist is an empty series', async () => {
	const series = await readLossSeries('/nonexistent/metrics.jsonl', 10)
	expect(series).toEqual({ lineCount: 0, badLineCount: 0, points: [] })
})
