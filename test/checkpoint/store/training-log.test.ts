import { expect, test } from 'bun:test'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LossSeriesReader, readLastLoss } from '../../../src/checkpoint/store/training-log.ts'
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
	const { lineCount, badLineCount, points } = await new LossSeriesReader().read(fixture, 10_000)
	expect([lineCount, badLineCount, points.length]).toEqual([450, 0, 450])
	expect(points.map(({ step }) => step)).toEqual(Array.from({ length: 450 }, (_, i) => i + 1))
})

test('a thinned series keeps its end and the validation losses', async () => {
	using directory = tempDir()
	const lines = Array.from({ length: 5000 }, (_, i) => {
		return JSON.stringify({ step: i, loss: 1, ...(i % 1000 === 10 ? { valLoss: i } : {}) })
	})
	const { lineCount, points } = await new LossSeriesReader().read(
		written(lines.join('\n'), directory),
		100,
	)
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
	const series = await new LossSeriesReader().read(written(text, directory), 10)
	expect(series.points).toEqual([{ step: 1 }, { step: 2, b: null }])
	expect(series.badLineCount).toBeGreaterThanOrEqual(4)
})

test('a file that does not exist is an empty series', async () => {
	const series = await new LossSeriesReader().read('/nonexistent/metrics.jsonl', 10)
	expect(series).toEqual({ lineCount: 0, badLineCount: 0, points: [] })
})

test('a log that grows is read on, one that is replaced is read anew', async () => {
	using directory = tempDir()
	const reader = new LossSeriesReader()
	const lines = (from: number, to: number) =>
		Array.from({ length: to - from }, (_, i) => `{"step":${from + i},"loss":1}\n`).join('')
	const path = written(lines(0, 5000), directory)
	expect((await reader.read(path, 100)).lineCount).toBe(5000)
	for (const text of [lines(5000, 5001), '{"step":5001,', '"loss":1}\n', lines(5002, 9000)]) {
		appendFileSync(path, text)
		const fresh = await new LossSeriesReader().read(path, 100)
		expect(await reader.read(path, 100)).toEqual(fresh)
	}
	written(lines(100, 9500), directory)
	expect(await reader.read(path, 100)).toEqual(await new LossSeriesReader().read(path, 100))
	written(lines(0, 10), directory)
	expect((await reader.read(path, 100)).lineCount).toBe(10)
})

test('a log that has not changed is not read again', async () => {
	using directory = tempDir()
	const reader = new LossSeriesReader()
	const path = written('{"step":1,"loss":1}\n'.repeat(1000), directory)
	const series = await reader.read(path, 10)
	expect(await reader.read(path, 10)).toBe(series)
})
