import { describe, expect, test } from 'bun:test'
import { suggestion, UsageError } from '../../../src/commands/settings/option.ts'
import {
	bytesOption,
	choiceOption,
	formatBytes,
	integerOption,
	listOption,
	numberOption,
	switchOption,
	textOption,
} from '../../../src/commands/settings/option-kinds.ts'
import { formatHelp, parseOptions } from '../../../src/commands/settings/options.ts'

const TABLE = {
	port: integerOption({
		flag: '--port',
		key: 'port',
		env: ['ALPHA_PORT', 'PORT'],
		min: 0,
		max: 65535,
		defaultValue: 3000,
		help: 'port to listen on',
	}),
	temperature: numberOption({
		flag: '--temperature',
		min: 0,
		max: 2,
		defaultValue: 0.8,
		help: 'spread of the draws',
	}),
	memory: bytesOption({ flag: '--memory', min: 1024, defaultValue: 2 ** 30, help: 'budget' }),
	dtype: choiceOption({
		flag: '--dtype',
		choices: ['f32', 'bf16', 'int8'],
		defaultValue: 'f32',
		help: 'number format',
	}),
	names: listOption({ flag: '--names', placeholder: 'NAMES', defaultValue: [], help: 'names' }),
	color: switchOption({ flag: '--no-color', help: 'plain output' }),
	quiet: switchOption({ flag: '--quiet', help: 'no output' }),
	secret: textOption({
		env: ['SECRET'],
		isSecret: true,
		placeholder: 'TEXT',
		defaultValue: null,
		help: 'password',
	}),
}

const FILES: Record<string, string> = { '/run/secret': 'from a file\n', '/run/empty': '\n' }

function parse(argv: string[], env: Record<string, string> = {}) {
	return parseOptions(TABLE, {
		argv,
		env,
		readFile(path) {
			const text = FILES[path]
			if (text === undefined) throw new Error(`no file ${path}`)
			return text
		},
	})
}

describe('values', () => {
	test('are the defaults when nothing is given', () => {
		expect(parse([]).values).toEqual({
			port: 3000,
			temperature: 0.8,
			memory: 2 ** 30,
			dtype: 'f32',
			names: [],
			color: true,
			quiet: false,
			secret: null,
		})
	})

	test('come from a flag with its value behind a blank or an equals sign', () => {
		expect(parse(['--port', '80']).values.port).toBe(80)
		expect(parse(['--port=80']).values.port).toBe(80)
	})

	test('come from the environment, which a flag overrides', () => {
		expect(parse([], { PORT: '81' }).values.port).toBe(81)
		expect(parse(['--port', '80'], { PORT: '81' }).values.port).toBe(80)
	})

	test('are the defaults when a variable is empty', () => {
		expect(parse([], { PORT: '', SECRET: '' }).values).toEqual(parse([]).values)
	})

	test('come from a file that a variable names, without the line end', () => {
		expect(parse([], { SECRET_FILE: '/run/secret' }).values.secret).toBe('from a file')
	})

	test('cannot be changed', () => {
		expect(() => Object.assign(parse([]).values, { port: 1 })).toThrow(TypeError)
	})

	test('of switches turn off or on, and of a switch and its opposite the last counts', () => {
		const { values } = parse(['--no-color', '--quiet'])
		expect([values.color, values.quiet]).toEqual([false, true])
		const turned = parse(['--no-color', '--quiet', '--color', '--no-quiet']).values
		expect([turned.color, turned.quiet]).toEqual([true, false])
	})

	test('of lists are split at commas and line ends', () => {
		expect(parse(['--names', ' a,b\nc, ']).values.names).toEqual(['a', 'b', 'c'])
	})

	test.each([
		['4096', 4096],
		['2k', 2048],
		['512M', 2 ** 29],
		['1.5GiB', 1.5 * 2 ** 30],
		['1tb', 2 ** 40],
	])('of bytes: %s', (text, bytes) => {
		expect(parse(['--memory', text]).values.memory).toBe(bytes)
	})
})

describe('arguments', () => {
	test('that are no flags are positional, in order', () => {
		expect(parse(['a', '--quiet', 'b', '-']).positionals).toEqual(['a', 'b', '-'])
	})

	test('after -- are positional whatever they look like', () => {
		expect(parse(['--', '--port', 'x']).positionals).toEqual(['--port', 'x'])
	})
})

describe('errors name the option and what was expected', () => {
	test.each([
		[['--prot', '80'], 'unknown option --prot (did you mean --port?)'],
		[['-x'], 'unknown option -x'],
		[['--zzzzzzzz'], /^unknown option --zzzzzzzz$/],
		[['--port', 'http'], '--port: expected a whole number from 0 to 65535, got "http"'],
		[['--port', '65536'], 'got "65536"'],
		[['--port', '1.5'], 'got "1.5"'],
		[['--port', '1e3'], 'got "1e3"'],
		[['--port='], '--port: expected a value, got nothing'],
		[['--port'], '--port needs a value: --port N'],
		[['--port', '--quiet'], '--port needs a value'],
		[['--temperature', '3'], '--temperature: expected a number from 0 to 2, got "3"'],
		[['--memory', '12Q'], '--memory: expected a number of bytes such as 512M'],
		[['--memory', '1023'], 'at least 1K, got "1023"'],
		[['--dtype', 'bf61'], '--dtype: expected f32, bf16, int8, got "bf61" (did you mean bf16?)'],
		[['--quiet=yes'], '--quiet takes no value'],
	] as [string[], string | RegExp][])('%p', (argv, message) => {
		expect(() => parse(argv)).toThrow(UsageError)
		expect(() => parse(argv)).toThrow(message)
	})

	test('in the environment by the name of the variable', () => {
		expect(() => parse([], { PORT: 'x' })).toThrow('PORT: expected a whole number')
	})

	test('when a variable and its file are both set', () => {
		const env = { SECRET: 'a', SECRET_FILE: '/run/secret' }
		expect(() => parse([], env)).toThrow('set SECRET or SECRET_FILE, not both')
	})

	test('when the file of a variable is missing or empty', () => {
		expect(() => parse([], { SECRET_FILE: '/run/none' })).toThrow('SECRET_FILE: no file /run/none')
		expect(() => parse([], { SECRET_FILE: '/run/empty' })).toThrow('SECRET_FILE: expected a value')
	})
})

describe('descriptions', () => {
	test('of the help align, with bounds, default and the variables that do not follow from the flag', () => {
		const lines = formatHelp(TABLE).split('\n')
		expect(lines).toHaveLength(Object.keys(TABLE).length)
		expect(lines[0]).toMatch(/^ {2}--port N +port to listen on \(0 … 65535; default 3000; PORT\)$/)
		expect(new Set(lines.map((line) => line.search(/(?<= {2})[a-z]/))).size).toBe(1)
	})

	test('of bytes use the largest unit', () => {
		expect([512, 1024, 1.5 * 2 ** 30].map(formatBytes)).toEqual(['512', '1K', '1.5G'])
	})

	test('suggest a name only when it is close', () => {
		expect(suggestion('--hots', ['--port', '--host'])).toBe(' (did you mean --host?)')
		expect(suggestion('--verbose', ['--port', '--host'])).toBe('')
	})
})
