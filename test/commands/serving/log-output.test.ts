import { expect, test } from 'bun:test'
import { LogOutput } from '../../../src/commands/serving/log-output.ts'
import { eventually } from '../../helpers/eventually.ts'

/** A log whose reader reads when `read` is called; at once unless it `isSlow`. */
function open(isSlow = false) {
	const writes: string[] = []
	const unread: (() => void)[] = []
	const lost: number[] = []
	const output = new LogOutput({
		write(text, written) {
			writes.push(text)
			if (isSlow) unread.push(written)
			else written()
		},
		lost: (lines) => void lost.push(lines),
	})
	return { writes, lost, output, read: () => unread.shift()?.() }
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

test('a reader that stops costs lines and no memory, and is told how many when it goes on', () => {
	const { writes, lost, output, read } = open(true)
	for (let i = 0; i < 100; i++) output.write(`${'x'.repeat(70_000)}\n`, 'info')
	const kept = writes.length
	expect(writes.join('').length).toBeLessThanOrEqual(2 ** 20)
	expect(lost).toEqual([])
	read()
	expect(lost).toEqual([100 - kept])
	output.write('on again\n', 'warn')
	expect(writes.at(-1)).toBe('on again\n')
})
