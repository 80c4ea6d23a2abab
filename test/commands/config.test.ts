import { describe, expect, test } from 'bun:test'
import { parseConfig, serveOptions } from '../../src/commands/config.ts'
import { formatHelp, UsageError } from '../../src/commands/options.ts'

const MACHINE = { cores: 4, memoryBytes: 8 * 2 ** 30 }

function parse(argv: string[], env: Record<string, string> = {}) {
	return parseConfig({ argv, env, readFile: () => 'from-file\n' }, MACHINE, ['localhost', '::'])
		.values
}

describe('the settings of the server', () => {
	test('listen on this machine only unless told otherwise', () => {
		expect([parse([]).host, parse([]).port]).toEqual(['127.0.0.1', 3000])
	})

	test('take host, port and directory from the environment', () => {
		const config = parse([], { HOST: '::', PORT: '0', CHECKPOINTS_DIR: '/srv/runs' })
		expect([config.host, config.port, config.checkpoints]).toEqual(['::', 0, '/srv/runs'])
	})

	test('take their own variables before those that other programs set, too', () => {
		const own = { ALPHA_HOST: '10.0.0.1', ALPHA_PORT: '1', HOST: '::', PORT: '2' }
		expect([parse([], own).host, parse([], own).port]).toEqual(['10.0.0.1', 1])
		expect(() => parse([], { ALPHA_PORT: 'x' })).toThrow('ALPHA_PORT: expected a whole number')
		expect(() => parse([], { PORT: 'x' })).toThrow(/^PORT: expected a whole number/)
	})

	test('ignore a HOST that is not this machine, with a warning that names it', () => {
		const env = { HOST: 'x86_64-conda-linux-gnu' }
		const { values, warnings } = parseConfig({ argv: [], env, readFile: () => '' }, MACHINE, ['::'])
		expect(values.host).toBe('127.0.0.1')
		expect(warnings).toEqual([
			'HOST="x86_64-conda-linux-gnu" is no address of this machine and is ignored: set ALPHA_HOST',
		])
	})

	test('take an IPv6 address with or without brackets', () => {
		expect(parse(['--host', '[::1]']).host).toBe('::1')
		expect(parse([], { HOST: '[::]' }).host).toBe('::')
	})

	test('never take an empty list of keys, or one of comments, for no list', () => {
		expect(() => parse([], { ALPHA_API_KEYS: '' })).toThrow('ALPHA_API_KEYS: expected a key')
		const sources = { argv: [], env: { ALPHA_API_KEYS_FILE: '/run/keys' } }
		const fromFile = (text: string) =>
			parseConfig({ ...sources, readFile: () => text }, MACHINE, []).values.apiKeys
		expect(() => fromFile('# none yet\n')).toThrow('ALPHA_API_KEYS_FILE: expected a key')
		expect(fromFile('# mine\na-key\n')).toEqual(['a-key'])
	})

	test('refuse more memory for keys and values than one array can have', () => {
		expect(() => parse(['--kv-memory', '5G'])).toThrow('--kv-memory: expected at most 4G, got 5G')
	})

	test('name in every complaint where the value came from', () => {
		const complaint = (argv: string[], env: Record<string, string> = {}): unknown => {
			try {
				return parse(argv, env)
			} catch (error) {
				return (error as Error).message
			}
		}
		const umlaut = { argv: [], env: { UPLOAD_SECRET_FILE: '/run/s' }, readFile: () => 'ü' }
		expect(() => parseConfig(umlaut, MACHINE, [])).toThrow('UPLOAD_SECRET_FILE: expected visible')
		expect(complaint(['--sequences-max', '300'])).toBe(
			'--sequences-max: expected at most --batch-tokens-max (default), which is 256, got 300',
		)
		expect(complaint(['--batch-tokens-max', '64'])).toBe(
			'--batch-tokens-max: expected at least --sequences-max (default), which is 128, got 64',
		)
		expect(complaint(['--port', 'x'], { PORT: '1' })).toStartWith('--port: ')
		expect(complaint([], { ALPHA_PORT: '99999', PORT: '1' })).toStartWith('ALPHA_PORT: ')
		expect(complaint([], { PORT: '99999' })).toStartWith('PORT: ')
	})

	test('take proxies as addresses and subnets only', () => {
		const proxies = ['--trusted-proxies', '10.0.0.0/8,::1']
		expect(parse(proxies).trustedProxies).toEqual(['10.0.0.0/8', '::1'])
		expect(() => parse(['--trusted-proxies', 'nginx'])).toThrow('--trusted-proxies: expected')
	})

	test('keep idle connections longer than load balancers do', () => {
		expect(parse([]).idleSeconds).toBe(75)
	})

	test('use all physical cores and half of the memory by default, less what the process takes itself', () => {
		expect([parse([]).threads, parse([]).modelMemoryBytes]).toEqual([4, 4 * 2 ** 30 - 56 * 2 ** 20])
	})

	test('never ask for more threads than the kernels have', () => {
		const { values } = parseConfig(
			{ argv: [], env: {}, readFile: () => '' },
			{ cores: 256, memoryBytes: 2 ** 40 },
			[],
		)
		expect(values.threads).toBe(64)
		expect(() => parse(['--threads', '65'])).toThrow(UsageError)
	})

	test('have no secrets unless the environment has them', () => {
		expect([parse([]).uploadSecret, parse([]).apiKeys]).toEqual([null, []])
		expect(parse([], { UPLOAD_SECRET: 's3' }).uploadSecret).toBe('s3')
		expect(parse([], { UPLOAD_SECRET_FILE: '/run/s' }).uploadSecret).toBe('from-file')
		expect(parse([], { ALPHA_API_KEYS: 'a,b' }).apiKeys).toEqual(['a', 'b'])
	})

	test('refuse secrets that nobody could send, and a list of keys without a key', () => {
		expect(() => parse([], { UPLOAD_SECRET: 'geh\u00e4im' })).toThrow('UPLOAD_SECRET: expected')
		expect(() => parse([], { ALPHA_API_KEYS: 'a,b\u0007' })).toThrow('ALPHA_API_KEYS: expected')
		expect(() => parse([], { ALPHA_API_KEYS: ' , ' })).toThrow('ALPHA_API_KEYS: expected KEY')
		expect(parse([], { UPLOAD_SECRET: 'two words' }).uploadSecret).toBe('two words')
	})

	test('offer no flag for a secret, which every user of the machine could read', () => {
		expect(() => parse(['--upload-secret', 'x'])).toThrow('unknown option --upload-secret')
		expect(() => parse(['--api-keys', 'x'])).toThrow('unknown option --api-keys')
	})

	test('serve the embedded model unless it is switched off', () => {
		expect(parse([]).embeddedModel).toBe(true)
		expect(parse(['--no-embedded-model']).embeddedModel).toBe(false)
	})
})

test('the help fits a terminal of 120 columns', () => {
	const lines = formatHelp(serveOptions(MACHINE)).split('\n')
	expect(lines.filter((line) => line.length > 120)).toEqual([])
})
