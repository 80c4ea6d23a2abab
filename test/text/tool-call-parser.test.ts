import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type CallFormat, callFormatOf, ToolCallParser } from '../../src/text/tool-call-parser.ts'

const names = ['look', 'wait']

/** What a reply says, read in the given pieces. */
function read(format: CallFormat, pieces: readonly string[]) {
	const parser = new ToolCallParser(format, names)
	const read = [...pieces.map((piece) => parser.push(piece)), parser.finish()]
	return {
		text: read.map(({ text }) => text).join(''),
		calls: read.flatMap(({ calls }) => calls),
	}
}

const look = { index: 0, name: 'look', arguments: '{"at":"sky"}' }
const wait = { index: 1, name: 'wait', arguments: '{}' }

const replies: [CallFormat, string, string, object[]][] = [
	['tags', '<tool_call>\n{"name": "look", "arguments": {"at": "sky"}}\n</tool_call>', '', [look]],
	[
		'tags',
		'I look. <tool_call>{"name":"look","arguments":{"at":"sky"}}</tool_call>\n<tool_call>{"name":"wait"}</tool_call>',
		'I look. ',
		[look, wait],
	],
	['tags', 'a < b <tool', 'a < b <tool', []],
	['tags', '<tool_call>no json</tool_call>!', '<tool_call>no json</tool_call>!', []],
	['tags', '<tool_call>{"name":"look","arguments":{"at":"sky"}}', '', [look]],
	['tags', '<tool_call>{"name":"lo', '<tool_call>{"name":"lo', []],
	[
		'tags',
		'<tool_call>{"name":"other"}</tool_call>',
		'<tool_call>{"name":"other"}</tool_call>',
		[],
	],
	[
		'list',
		'[TOOL_CALLS] [{"name":"look","arguments":{"at":"sky"}},{"name":"wait"}]',
		'',
		[look, wait],
	],
	['list', '[{"name":"look","arguments":{"at":"sky"}}]', '', [look]],
	['list', '[1, 2]', '[1, 2]', []],
	['list', 'No [TOOL_CALLS].', 'No [TOOL_CALLS].', []],
	['object', ' {"name": "look", "parameters": {"at": "sky"}}', '', [look]],
	[
		'object',
		'<|python_tag|>{"name": "look", "parameters": {"at": "sky"}}; {"name": "wait"}',
		'',
		[look, wait],
	],
	['object', '{"colour": "red"}', '{"colour": "red"}', []],
	['object', 'Red.', 'Red.', []],
]

describe('a reply with calls', () => {
	test.each(replies)('as %s: %s', (format, reply, text, calls) => {
		expect(read(format, [reply])).toEqual({ text, calls } as never)
	})

	test('says the same in whatever pieces it comes', () => {
		const reply = fc.constantFrom(...replies)
		fc.assert(
			fc.property(reply, fc.array(fc.nat(20)), ([format, reply, text, calls], cuts) => {
				const pieces: string[] = []
				let at = 0
				for (const length of cuts) {
					pieces.push(reply.slice(at, at + length))
					at += length
				}
				pieces.push(reply.slice(at))
				expect(read(format, pieces)).toEqual({ text, calls } as never)
			}),
		)
	})

	test('is told as text at once where no call can begin', () => {
		expect(new ToolCallParser('tags', names).push('a < b').text).toBe('a < b')
		expect(new ToolCallParser('list', names).push('Red').text).toBe('Red')
		expect(new ToolCallParser('object', names).push('Red').text).toBe('Red')
	})
})

test.each([
	['{{ "<tool_call>" }}…</tool_call>', 'tags'],
	['[TOOL_CALLS]', 'list'],
	['{"name": function name, "parameters": dictionary}', 'object'],
	['{{ messages }}', null],
])('the template %j has the format %j', (template, format) => {
	expect(callFormatOf(template)).toBe(format as CallFormat | null)
})
