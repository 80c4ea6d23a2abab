import { expect, test } from 'bun:test'
import { createLog } from '../../src/lib/log.ts'

const hostile = 'a\nfake line\u001b[31m\u202e\u2028b'

function linesOf(format: 'text' | 'json'): string[] {
	const written: string[] = []
	const log = createLog(format, (line) => written.push(line))
	log('info', `message ${hostile}`, { field: hostile, [hostile]: 1 })
	return written
}

test.each(['text', 'json'] as const)(
	'nothing in a %s log forges a line or drives a terminal',
	(format) => {
		const [line = '', ...others] = linesOf(format)
		expect(others).toEqual([])
		expect(line).toEndWith('\n')
		expect(line.slice(0, -1)).toMatch(/^[\x20-\x7e]*$/)
	},
)

test('a line of JSON gives back what was logged', () => {
	expect(JSON.parse(linesOf('json')[0] ?? '')).toMatchObject({
		level: 'info',
		message: `message ${hostile}`,
		field: hostile,
	})
})
