import { describe, expect, test } from 'bun:test'
import { parseConfig, serveOptions } from '../../../src/commands/settings/config.ts'
import { UsageError } from '../../../src/commands/settings/option.ts'
import { formatHelp } from '../../../src/commands/settings/options.ts'
import { formatSettings } from '../../../src/commands/settings/print-config.ts'

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

	test('come from a flag before the environment before a settings file before the default', () => {
		const file = 'port = 1\nthreads = 2\ndtype = "int8"\n'
		const argv = ['--config', 'alpha.toml', '--port', '3']
		const { values, origins } = parseConfig(
			{ argv, env: { ALPHA_THREADS: '3', ALPHA_PORT: '2' }, readFile: () => file },
			MACHINE,
			[],
		)
		expect([values.port, values.threads, values.dtype, values.isa]).toEqual([3, 3, 'int8', 'auto'])
		expect([origins.port, origins.threads, origins.dtype, origins.isa]).toEqual([
			'--port',
			'ALPHA_THREADS',
			'dtype in alpha.toml',
			'--isa (default)',
		])
	})

	test('each have a variable of ours and a key, which follow from the flag', () => {
		for (const { flag, key, env } of Object.values(serveOptions(MACHINE))) {
			if (flag !== undefined && flag !== '--config') {
				expect(key).toBe(flag.replace(/^--(no-)?/, ''))
			}
			const name = (key ?? 'config').toUpperCase().replaceAll('-', '_')
			expect(env?.[0]).toBe(`ALPHA_${name}`)
		}
	})

	test('ignore what Kubernetes sets for a service named alpha, with a warning', () => {
		const env = { ALPHA_PORT: 'tcp://10.96.0.7:3000', ALPHA_PORT_3000_TCP_ADDR: '10.96.0.7' }
		const { values, warnings } = parseConfig({ argv: [], env, readFile: () => '' }, MACHINE, [])
		expect([values.port, warnings.length]).toEqual([3000, 1])
		expect(warnings[0]).toContain("is Kubernetes' and is ignored")
	})

	test('tell of a variable that is nearly one of theirs, and of no other', () => {
		const env = { ALPHA_THREAD: '2', ALPHA_REMOTE_URL: 'http://x', ALPHA_API_KEY: 'k' }
		const sources = { argv: [], env, readFile: () => '', otherKeys: ['api-key'] }
		expect(parseConfig(sources, MACHINE, []).warnings).toEqual([
			'ALPHA_THREAD is no setting and is ignored (did you mean ALPHA_THREADS?)',
		])
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
		expect(fromFile('# mine\na-key\n')).toEqual([{ name: 'key 1', value: 'a-key' }])
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
		expect(parse([], { ALPHA_API_KEYS: 'a,b' }).apiKeys.map(({ value }) => value)).toEqual([
			'a',
			'b',
		])
	})

	test('refuse secrets that nobody could send, and a list of keys without a key', () => {
		expect(() => parse([], { UPLOAD_SECRET: 'geh\u00e4im' })).toThrow('UPLOAD_SECRET: expected')
		expect(() => parse([], { ALPHA_API_KEYS: 'a,b\u0007' })).toThrow('ALPHA_API_KEYS: expected')
		expect(() => parse([], { ALPHA_API_KEYS: ' , ' })).toThrow('ALPHA_API_KEYS: expected KEY')
		const unset = 'ALPHA_API_KEYS: expected a key after "team:", got nothing'
		expect(() => parse([], { ALPHA_API_KEYS: 'a: b,team: ' })).toThrow(unset)
		expect(parse([], { UPLOAD_SECRET: 'two words' }).uploadSecret).toBe('two words')
	})

	test('give keys names for the log, which stand before a colon and a blank', () => {
		expect(parse([], { ALPHA_API_KEYS: 'laptop: s3cr:et,k:1,c2Vj==' }).apiKeys).toEqual([
			{ name: 'laptop', value: 's3cr:et' },
			{ name: 'key 2', value: 'k:1' },
			{ name: 'key 3', value: 'c2Vj==' },
		])
	})

	test('take a collector of traces as OpenTelemetry names it', () => {
		const env = {
			OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
			OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20x,x-team=a',
			OTEL_SERVICE_NAME: 'poems',
		}
		expect(parse([], env)).toMatchObject({
			otlpEndpoint: 'http://127.0.0.1:4318',
			otlpHeaders: ['authorization=Bearer%20x', 'x-team=a'],
			serviceName: 'poems',
			traceShare: 1,
		})
		expect(parse([]).otlpEndpoint).toBe(null)
		expect(() => parse([], { OTEL_EXPORTER_OTLP_ENDPOINT: 'localhost:4317' })).toThrow(
			'OTEL_EXPORTER_OTLP_ENDPOINT: expected an http:// or https:// address',
		)
		for (const header of ['nonsense', 'a=%', 'a=%0a', 'a b=c']) {
			expect(() => parse([], { OTEL_EXPORTER_OTLP_HEADERS: header })).toThrow(
				'OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE',
			)
		}
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

describe('a settings file', () => {
	/** What is read of the text of a file, or the message of the error. */
	function read(text: string, env: Record<string, string> = {}) {
		const files: Record<string, string> = { 'alpha.toml': text, '/run/secret': 'of-a-file\n' }
		const readFile = (path: string) => {
			const found = files[path]
			if (found === undefined) throw new Error(`no file ${path}`)
			return found
		}
		const sources = { argv: [], env: { ALPHA_CONFIG: 'alpha.toml', ...env }, readFile }
		return parseConfig({ ...sources, otherKeys: ['url'] }, MACHINE, []).values
	}

	test('has numbers, texts, lists and truth values', () => {
		const config = read(
			'port = 8080\nkv-memory = "64M"\nmodel-memory = 1073741824\npreload = ["a", "b"]\n' +
				'embedded-model = false\nshare-prefix-cache = true\nidle-timeout = 9\n',
		)
		expect(config).toMatchObject({
			port: 8080,
			kvMemoryBytes: 64 * 2 ** 20,
			modelMemoryBytes: 2 ** 30,
			preload: ['a', 'b'],
			embeddedModel: false,
			sharesCache: true,
			idleSeconds: 9,
		})
	})

	test('has secrets, or the names of files with them', () => {
		const config = read('upload-secret-file = "/run/secret"\napi-keys = ["a", "b"]\n')
		expect(config.uploadSecret).toBe('of-a-file')
		expect(config.apiKeys.map(({ value }) => value)).toEqual(['a', 'b'])
		expect(read('upload-secret = "x"', { UPLOAD_SECRET: 'y' }).uploadSecret).toBe('y')
		expect(() => read('upload-secret = "x"\nupload-secret-file = "/run/secret"')).toThrow(
			'alpha.toml: set upload-secret or upload-secret-file, not both',
		)
	})

	test('may have settings of other commands', () => {
		expect(read('url = "http://127.0.0.1:1"').port).toBe(3000)
	})

	test.each([
		['kv_memory = "1G"', 'alpha.toml: unknown key kv_memory (did you mean kv-memory?)'],
		['[server]\nport = 1', 'alpha.toml: unknown key server'],
		['print-config = true', 'alpha.toml: unknown key print-config'],
		['port = "http"', 'port in alpha.toml: expected a number, got "http"'],
		['port = 70000', 'port in alpha.toml: expected a whole number from 0 to 65535, got "70000"'],
		['host = 1', 'host in alpha.toml: expected a text in quotes, got 1'],
		['embedded-model = "no"', 'embedded-model in alpha.toml: expected true or false, got "no"'],
		['preload = [1]', 'preload in alpha.toml: expected a list of texts'],
		['api-keys = []', 'api-keys in alpha.toml: expected a value, got nothing'],
		['api-keys = ["# none"]', 'api-keys in alpha.toml: expected a key, got nothing'],
		['kv-memory = "5G"', 'kv-memory in alpha.toml: expected at most 4G, got 5G'],
		['sequences-max = 300', 'sequences-max in alpha.toml: expected at most --batch-tokens-max'],
		['batch-tokens-max = 9', 'batch-tokens-max in alpha.toml: expected at least --sequences-max'],
		['trusted-proxies = ["x"]', 'trusted-proxies in alpha.toml: expected an address'],
		['upload-secret-file = "/none"', 'upload-secret-file in alpha.toml: no file /none'],
		['port = ', 'alpha.toml: '],
		['port = 1\nport = 2', 'alpha.toml: '],
	])('is refused with its name: %p', (text, message) => {
		expect(() => read(text)).toThrow(UsageError)
		expect(() => read(text)).toThrow(message)
	})

	test('that is not there is told by what named it', () => {
		const sources = { argv: ['--config', 'none'], env: {} }
		const readFile = () => {
			throw new Error('no such file')
		}
		expect(() => parseConfig({ ...sources, readFile }, MACHINE, [])).toThrow(
			'--config: no such file',
		)
	})

	test('is what --print-config prints, so that it can be read back', () => {
		const argv = ['--port', '8080', '--preload', 'a', '--no-embedded-model']
		const env = { UPLOAD_SECRET: 'hidden', ALPHA_LOG_FORMAT: 'json' }
		const { values, origins } = parseConfig({ argv, env, readFile: () => '' }, MACHINE, [])
		const text = formatSettings(serveOptions(MACHINE), values, origins)
		expect(text).toMatch(/^port = 8080 +# --port$/m)
		expect(text).toMatch(/^log-format = "json" +# ALPHA_LOG_FORMAT$/m)
		expect(text).toMatch(/^threads = 4 +# default: physical cores$/m)
		expect(text).toMatch(/^# upload-secret is set and not shown +# UPLOAD_SECRET$/m)
		expect(text).toMatch(/^# api-keys is not set +# default$/m)
		expect(text).not.toContain('hidden')
		const { uploadSecret: _, printConfig: __, config: ___, ...shown } = values
		expect(read(text)).toMatchObject(shown)
	})
})

test('the help fits a terminal of 120 columns', () => {
	const lines = formatHelp(serveOptions(MACHINE)).split('\n')
	expect(lines.filter((line) => line.length > 120)).toEqual([])
})
