import { describe, expect, test } from 'bun:test'
import {
	appendFileSync,
	readFileSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { LINE_BYTES_MAX, LineFile, readLastLines } from '../../src/runs/line-file.ts'
import { tempDir } from '../helpers/temp-dir.ts'

async function readNew(file: LineFile) {
	const lines: string[] = []
	let isRestart = false
	for await (const batch of file.readNew()) {
		if (batch.isRestart) isRestart = true
		lines.push(...batch.lines)
	}
	return { isRestart, lines }
}

function inDirectory(): Disposable & { file: LineFile; path: string } {
	const directory = tempDir()
	const path = join(directory.path, 'lines.jsonl')
	return { file: new LineFile(path), path, [Symbol.dispose]: () => directory[Symbol.dispose]() }
}

describe('a file of lines', () => {
	test('that does not exist has none, and begins with the first one appended', async () => {
		using at = inDirectory()
		expect(await readNew(at.file)).toEqual({ isRestart: false, lines: [] })
		expect(await at.file.append(['{"a":1}', '{"a":2}'])).toBe('read')
		expect(readFileSync(at.path, 'utf8')).toBe('{"a":1}\n{"a":2}\n')
		expect(at.file.lineCount).toBe(2)
		expect(await readNew(at.file)).toEqual({ isRestart: false, lines: [] })
	})

	test('tells only what is new, from whoever wrote it', async () => {
		using at = inDirectory()
		writeFileSync(at.path, '{"a":1}\n')
		await readNew(at.file)
		appendFileSync(at.path, '{"a":2}\n{"a"')
		expect((await readNew(at.file)).lines).toEqual(['{"a":2}'])
		appendFileSync(at.path, ':3}\n')
		expect((await readNew(at.file)).lines).toEqual(['{"a":3}'])
	})

	test('numbers its lines from 1', async () => {
		using at = inDirectory()
		writeFileSync(at.path, 'x\n')
		await readNew(at.file)
		await at.file.append(['y'])
		appendFileSync(at.path, 'z\n')
		const batches = await Array.fromAsync(at.file.readNew())
		expect(batches).toEqual([{ isRestart: false, firstNumber: 3, lines: ['z'] }])
	})

	test('loses half a line that a crash has left, and nothing else', async () => {
		using at = inDirectory()
		writeFileSync(at.path, '{"a":1}\n{"a":2,"b')
		await readNew(at.file)
		expect(await at.file.append(['{"a":3}'])).toBe('read')
		expect(readFileSync(at.path, 'utf8')).toBe('{"a":1}\n{"a":3}\n')
		expect((await readNew(at.file)).lines).toEqual([])
	})

	test('keeps a last line that lacks nothing but its end', async () => {
		using at = inDirectory()
		writeFileSync(at.path, '{"a":1}\n{"a":2}')
		await readNew(at.file)
		expect(await at.file.append(['{"a":3}'])).toBe('added')
		expect(readFileSync(at.path, 'utf8')).toBe('{"a":1}\n{"a":2}\n{"a":3}\n')
		expect((await readNew(at.file)).lines).toEqual(['{"a":2}', '{"a":3}'])
	})

	test('that was replaced is read from its beginning, and not appended to before that', async () => {
		using at = inDirectory()
		writeFileSync(at.path, '{"a":1}\n')
		await readNew(at.file)
		writeFileSync(`${at.path}.new`, '{"b":1}\n{"b":2}\n')
		renameSync(`${at.path}.new`, at.path)
		expect(await at.file.append(['{"b":3}'])).toBe('unread')
		expect(await readNew(at.file)).toEqual({ isRestart: true, lines: ['{"b":1}', '{"b":2}'] })
		expect(await at.file.append(['{"b":3}'])).toBe('read')
	})

	test('that others have written to is read before it is appended to', async () => {
		using at = inDirectory()
		await at.file.append(['{"a":1}'])
		appendFileSync(at.path, '{"a":2}\n')
		expect(await at.file.append(['{"a":3}'])).toBe('unread')
		expect((await readNew(at.file)).lines).toEqual(['{"a":2}'])
		expect(await at.file.append(['{"a":3}'])).toBe('read')
		expect(readFileSync(at.path, 'utf8')).toBe('{"a":1}\n{"a":2}\n{"a":3}\n')
	})

	test('that is removed begins anew', async () => {
		using at = inDirectory()
		await at.file.append(['{"a":1}'])
		rmSync(at.path)
		expect(await at.file.append(['{"a":2}'])).toBe('unread')
		expect(await readNew(at.file)).toEqual({ isRestart: true, lines: [] })
		expect(await at.file.append(['{"a":2}'])).toBe('read')
		expect(at.file.lineCount).toBe(1)
	})

	test('skips a line without end, in bounded memory, and counts it', async () => {
		using at = inDirectory()
		writeFileSync(at.path, `${'x'.repeat(3 * LINE_BYTES_MAX)}\n{"a":1}\n`)
		expect((await readNew(at.file)).lines).toEqual(['', '{"a":1}'])
		expect(await at.file.append(['{"a":2}'])).toBe('read')
		expect(at.file.lineCount).toBe(3)
	})

	test('is never a link', async () => {
		using at = inDirectory()
		writeFileSync(`${at.path}.other`, 'x\n')
		symlinkSync(`${at.path}.other`, at.path)
		expect(at.file.append(['y'])).rejects.toThrow('regular file')
		expect(readFileSync(`${at.path}.other`, 'utf8')).toBe('x\n')
	})

	test('gives its last lines, as many as asked for or as fit', async () => {
		using at = inDirectory()
		const lines = Array.from({ length: 50_000 }, (_, i) => `{"step":${i}}`)
		writeFileSync(at.path, `${lines.join('\n')}\n{"half`)
		expect(await readLastLines(at.path, 3, 2 ** 26)).toEqual(lines.slice(-3))
		expect(await readLastLines(at.path, 40_000, 2 ** 26)).toEqual(lines.slice(-40_000))
		expect(await readLastLines(at.path, 60_000, 2 ** 26)).toEqual(lines)
		expect((await readLastLines(at.path, 60_000, 1000)).at(-1)).toBe(lines.at(-1))
		expect(await readLastLines(`${at.path}.none`, 3, 1000)).toEqual([])
	})
})
