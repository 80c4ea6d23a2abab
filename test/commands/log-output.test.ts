import { expect, test } from 'bun:test'
import { LogOutput } from '../../src/commands/log-output.ts'
import { eventually } from '../helpers/eventually.ts'

function open() {
	const writes: string[] = []
	return { writes, output: new LogOutput((text) => writes.push(text)) }
}

test('lines about requests are written together', async () => {
	const { writes, output } = open()
	output.write('a\n', 'info')
	output.write('b\n', 'info')
	expect(writes).toEqual([])
	await eventually(() => writes.length > 0)
	expect(writes).toEqual(['a\nb\n'])
})

test('what went wrong is written at once, behind what was said before', () => {
	const { writes, output } = open()
	output.write('a\n', 'info')
	output.write('wrong\n', 'error')
	expect(writes).toEqual(['a\nwrong\n'])
})

test('much is written before its time, and the rest at the end', () => {
	const { writes, output } = open()
	output.write(`${'x'.repeat(70_000)}\n`, 'info')
	output.write('last\n', 'info')
	expect(writes).toHaveLength(1)
	output[Symbol.dispose]()
	expect(writes.at(-1)).toBe('last\n')
})
