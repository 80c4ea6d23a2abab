import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { executablePath, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { finishedOf } from '../helpers/finished.ts'
import { runAlpha } from '../helpers/run-alpha.ts'
import { hasTmux, openTerminal } from '../helpers/terminal.ts'

const fixtures = join(import.meta.dir, '../fixtures')

describe('alpha generate', () => {
	const prompt = 'Emma Woodhouse, handsome, clever, and rich,'

	test('continues a prompt with the embedded model, the same for the same seed', async () => {
		const args = ['generate', 'novels-austen', prompt, '--seed', '7', '--max-tokens', '20']
		const first = await runAlpha(args)
		expect([first.status, first.errors]).toEqual([0, ''])
		expect(first.output).toStartWith(prompt)
		expect(first.output.length).toBeGreaterThan(prompt.length + 20)
		expect((await runAlpha(args)).output).toBe(first.output)
	})

	test('says which model does not exist', async () => {
		const { status, errors } = await runAlpha(['generate', 'nobody', 'Hello'])
		expect(status).toBe(1)
		expect(errors).toContain('The model "nobody" does not exist')
	})

	test('ends at Ctrl-C with the status of an interrupted command', async () => {
		const child = Bun.spawn(
			[executablePath, 'generate', 'novels-austen', prompt, '--max-tokens', '2048'],
			{ stdout: 'pipe', stderr: 'pipe' },
		)
		const reader = child.stdout.getReader()
		await reader.read()
		child.kill('SIGINT')
		expect(await child.exited).toBe(130)
		expect(await new Response(child.stderr).text()).toBe('')
	})

	test('reads the prompt from a pipe where it is -', async () => {
		const args = ['--seed', '7', '--max-tokens', '5']
		const piped = await runAlpha(['generate', 'novels-austen', '-', ...args], {}, `${prompt}\n`)
		expect(piped).toEqual(await runAlpha(['generate', 'novels-austen', prompt, ...args]))
		expect(piped.output).toStartWith(prompt)
	})

	test('asks for what is missing', async () => {
		const { status, errors } = await runAlpha(['generate', 'novels-austen'])
		expect(status).toBe(64)
		expect(errors).toContain('alpha generate MODEL PROMPT')
	})
})

describe('output', () => {
	/** Runs a line of shell in which `alpha` is the executable; its status is that of `alpha`. */
	async function shell(line: string) {
		const child = Bun.spawn(['bash', '-c', `alpha() { '${executablePath}' "$@"; }; ${line}`], {
			env: { PATH: process.env['PATH'], CHECKPOINTS_DIR: fixtures },
			stdin: 'ignore',
			stdout: 'pipe',
			stderr: 'pipe',
		})
		return await finishedOf(child)
	}

	test('that nobody reads any more ends a command quietly', async () => {
		const line = 'alpha generate novels-austen Emma --max-tokens 2048 | head -c 1; exit $PIPESTATUS'
		expect(await shell(line)).toEqual({ status: 141, output: 'E', errors: '' })
	})

	test.each(['models', '--help', 'generate v1-char X', 'serve --port 0'])(
		'that cannot be written is told in one line: alpha %s',
		async (command) => {
			const { status, errors } = await shell(`alpha ${command} > /dev/full`)
			expect(status).toBe(74)
			expect(errors).toMatch(/^alpha: the output cannot be written: .*ENOSPC.*$/m)
			if (!command.startsWith('serve')) expect(errors.split('\n')).toHaveLength(2)
		},
	)

	test('of any length arrives, however slowly it is read', async () => {
		const line = `alpha generate v1-char "$(printf '%0100000d' 0)" --max-tokens 1 | (sleep 0.3; wc -c)`
		const { output } = await shell(line)
		expect(Number(output)).toBeGreaterThan(100_000)
	})
})

test('alpha models says that the path of the checkpoints is a file', async () => {
	const path = join(fixtures, 'README.md')
	const { errors } = await runAlpha(['models', '--checkpoints', path])
	expect(errors).toContain(`the checkpoints directory ${path} is a file, not a directory`)
})

test('alpha models lists runs, the embedded model, and what is damaged', async () => {
	const { status, output } = await runAlpha(['models', '--checkpoints', fixtures])
	expect(status).toBe(0)
	expect(output).toMatch(/^v1-word +1000 +32 +1\.949/m)
	expect(output).toMatch(/^novels-austen \(embedded\) +5600 +256/m)
})

test('alpha list has names for scripts and all facts as JSON', async () => {
	const names = await runAlpha(['list', '--names', '--checkpoints', fixtures])
	expect(names.output.split('\n')).toContain('v1-word')
	const { output } = await runAlpha(['list', '--json', '--checkpoints', fixtures])
	const runs = JSON.parse(output) as { id: string }[]
	expect(runs.find(({ id }) => id === 'v1-word')).toMatchObject({ step: 1000, family: 'alpha' })
})

describe('alpha show', () => {
	test('tells what a model is', async () => {
		const { status, output } = await runAlpha(['show', 'v1-word', '--checkpoints', fixtures])
		expect(status).toBe(0)
		expect(output).toMatch(/^model +v1-word$/m)
		expect(output).toMatch(/^step +1000$/m)
		expect(output).toMatch(/^tokenizer +word, \d+ entries$/m)
	})

	test('has all of it as JSON, as the server has', async () => {
		await using server = await startAlpha({ runs: ['v1-word'] })
		const args = ['show', 'v1-word', '--json', '--checkpoints', server.checkpoints]
		const shown = JSON.parse((await runAlpha(args)).output)
		const card = await (await fetch(`${server.url}/api/models/v1-word`)).json()
		expect(shown).toEqual(card)
	})

	test('says which model does not exist', async () => {
		const { status, errors } = await runAlpha(['show', 'nobody', '--checkpoints', fixtures])
		expect([status, errors.includes('"nobody" does not exist')]).toEqual([1, true])
	})
})

describe('alpha ps', () => {
	test('lists what a running server has in memory', async () => {
		await using server = await startAlpha({ runs: ['v1-word'] })
		const args = ['ps', '--url', server.url]
		expect((await runAlpha(args)).output).toMatch(/^MODEL +STEP +STATE +REQUESTS +MEMORY\n$/)
		await (await fetch(`${server.url}/api/generate?prompt=a&model=v1-word&max_tokens=1`)).text()
		const { output } = await runAlpha(['ps'], { ALPHA_URL: server.url })
		expect(output).toMatch(/^v1-word +1000 +loaded +0 +\S+[KM]$/m)
	})

	test('says that no server can be reached', async () => {
		const { status, errors } = await runAlpha(['ps', '--url', 'http://127.0.0.1:1'])
		expect([status, errors.includes('cannot be reached')]).toEqual([69, true])
	})
})

describe('alpha score', () => {
	/** Text that fits into the context of the embedded model. */
	const text =
		'Emma Woodhouse, handsome, clever, and rich, with a comfortable home and happy disposition.'

	test('gives the perplexity that scoring through the API gives', async () => {
		await using server = await startAlpha({ runs: [] })
		const response = await fetch(`${server.url}/v1/completions`, {
			method: 'POST',
			body: JSON.stringify({ prompt: text, max_tokens: 0, echo: true, logprobs: 0 }),
		})
		const { choices } = (await response.json()) as {
			choices: { logprobs: { token_logprobs: (number | null)[]; tokens: string[] } }[]
		}
		const { token_logprobs: logprobs, tokens } = choices[0]!.logprobs
		const nats = -logprobs.reduce<number>((sum, each) => sum + (each ?? 0), 0)
		const scored = logprobs.filter((each) => each !== null).length
		const characters = text.length - tokens[0]!.length
		const { status, output } = await runAlpha(['score', 'novels-austen', '-', '--json'], {}, text)
		expect(status).toBe(0)
		const score = JSON.parse(output)
		expect(score).toMatchObject({ model: 'novels-austen', tokens: scored, characters })
		expect(score.perplexity).toBeCloseTo(Math.exp(nats / scored), 3)
		expect(score.bits_per_character).toBeCloseTo(nats / Math.LN2 / characters, 4)
	})

	test('scores each token of a long text once, whatever the stride, and tells it in one line', async () => {
		const long = Array.from({ length: 24 }, () => text).join(' ')
		const score = async (...args: string[]) => {
			const { output } = await runAlpha(
				['score', 'novels-austen', '-', '--json', ...args],
				{},
				long,
			)
			return JSON.parse(output)
		}
		const [half, one] = [await score(), await score('--stride', '32')]
		expect(half.tokens).toBeGreaterThan(half.context)
		expect(one.tokens).toBe(half.tokens)
		// More to go by for each token.
		expect(one.perplexity).toBeLessThan(half.perplexity)
		const line = await runAlpha(['score', 'novels-austen', '-'], {}, long)
		expect(line.output).toMatch(
			/^novels-austen: perplexity [\d.]+, [\d.]+ bits per character, .*\n$/,
		)
	})

	test('says what it cannot read and what is too short', async () => {
		const missing = await runAlpha(['score', 'novels-austen', '/nonexistent.txt'])
		expect([missing.status, missing.errors.includes('/nonexistent.txt: ')]).toEqual([74, true])
		const short = await runAlpha(['score', 'novels-austen', '-'], {}, '')
		expect([short.status, short.errors.includes('at least two tokens')]).toEqual([1, true])
	})
})

test('alpha bench tells in one line what this machine does', async () => {
	const { status, output } = await runAlpha(['bench', 'v1-char', '--checkpoints', fixtures])
	expect(status).toBe(0)
	expect(output).toMatch(
		/^v1-char, f32, \w+, \d+ threads?, 1 stream: reads [\d.]+ tokens\/s, writes [\d.]+ tokens\/s, first token [\d.]+ ms\n$/,
	)
})

describe('alpha doctor', () => {
	test('finds nothing against a machine that serves', async () => {
		const { status, output } = await runAlpha(['doctor', '--port', '0', '--checkpoints', fixtures])
		expect(status).toBe(0)
		for (const name of ['system', 'processor', 'memory', 'port', 'descriptors']) {
			expect(output).toMatch(new RegExp(`^(good|warning) +${name} `, 'm'))
		}
		expect(output).toMatch(/^(good|warning) +engine +\S+ loads and computes in/m)
	})

	test('says which port is taken and which instruction set is missing, by their settings', async () => {
		await using server = await startAlpha({ runs: [] })
		const taken = await runAlpha(['doctor'], { PORT: String(server.port) })
		expect(taken.status).toBe(69)
		expect(taken.output).toMatch(/^bad +port +PORT: cannot listen/m)
		const foreign = process.arch === 'arm64' ? 'avx2' : 'neon'
		const unfit = await runAlpha(['doctor', '--port', '0'], { ALPHA_ISA: foreign })
		expect(unfit.status).toBe(78)
		expect(unfit.output).toMatch(/^bad +processor +ALPHA_ISA: expected/m)
	})

	test('says that the path of the checkpoints is a file', async () => {
		const path = join(fixtures, 'README.md')
		const { status, output } = await runAlpha(['doctor', '--port', '0', '--checkpoints', path])
		expect([status, output.includes('is no directory')]).toEqual([78, true])
	})
})

describe('words', () => {
	test.each(['-v', '-V', '--version', 'version'])('%s prints the version', async (word) => {
		expect((await runAlpha([word])).output).toMatch(/^alpha \d+\.\d+\.\d+\n$/)
	})

	test.each(['run', 'score', 'models', 'completion'])(
		'alpha %s --help and alpha help %s are the same',
		async (word) => {
			const { status, output } = await runAlpha([word, '--help'])
			expect([status, output]).toEqual([0, (await runAlpha(['help', word])).output])
			expect(output).toStartWith('Usage: alpha ')
		},
	)

	test.each([
		['pull', 'nothing is downloaded'],
		['rm', 'DELETE /api/models'],
		['genrate', '(did you mean generate?)'],
	])('of other tools lead to ours: %s', async (word, hint) => {
		const { status, errors } = await runAlpha([word, 'x'])
		expect([status, errors.includes(hint)]).toEqual([64, true])
	})
})

describe('alpha upload', () => {
	test('sends a run, which is then served', async () => {
		await using server = await startAlpha({ runs: [] })
		const directory = join(fixtures, 'v1-word')
		const sent = await runAlpha(['upload', directory, '--to', server.url], {
			UPLOAD_SECRET: uploadSecret,
		})
		expect(sent).toEqual({
			status: 0,
			output: `v1-word step 1000 has arrived at ${server.url}\n`,
			// Progress is for terminals.
			errors: '',
		})
		const models = await (await fetch(`${server.url}/v1/models`)).json()
		expect(models).toMatchObject({ data: [{ id: 'v1-word' }, { id: 'novels-austen' }] })
	})

	test('ends at the first Ctrl-C', async () => {
		const asked = Promise.withResolvers<void>()
		using server = Bun.serve({
			port: 0,
			hostname: '127.0.0.1',
			fetch() {
				asked.resolve()
				return new Promise<Response>(() => {})
			},
		})
		const directory = join(fixtures, 'v1-word')
		const child = Bun.spawn([executablePath, 'upload', directory, '--to', server.url.href], {
			env: { UPLOAD_SECRET: uploadSecret },
			stderr: 'pipe',
		})
		await asked.promise
		child.kill('SIGINT')
		expect(await child.exited).toBe(130)
		expect(await new Response(child.stderr).text()).toContain('interrupted')
	})

	test('says why the server refused', async () => {
		await using server = await startAlpha({ runs: [] })
		const directory = join(fixtures, 'v1-word')
		const { status, errors } = await runAlpha(['upload', directory, '--to', server.url], {
			UPLOAD_SECRET: 'wrong',
		})
		expect(status).toBe(1)
		expect(errors).toContain('401')
	})
})

describe('alpha serve', () => {
	test('lets a running stream finish when it is told to stop, and takes no new request', async () => {
		await using server = await startAlpha({ runs: [], args: ['--drain-seconds', '30'] })
		const response = await fetch(`${server.url}/api/inference?query=The&steps=400`)
		const reader = response.body!.getReader()
		await reader.read()
		const stopped = server.stop()
		let text = ''
		for (;;) {
			const { done, value } = await reader.read()
			if (done) break
			text += new TextDecoder().decode(value)
		}
		expect(text).toEndWith('data: [DONE]\n\n')
		expect(await stopped).toBe(0)
		expect(fetch(server.url)).rejects.toThrow()
	})

	test('goes on after signals that are meant for others, and stops when its terminal goes away', async () => {
		await using server = await startAlpha({ runs: [] })
		for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
			process.kill(server.pid, signal)
			expect((await fetch(`${server.url}/livez`)).status).toBe(200)
		}
		process.kill(server.pid, 'SIGHUP')
		await eventually(() => server.log().includes('stopping: running streams have'), 5000)
		expect(await server.stop()).toBe(0)
	})

	test('ends what still runs at the deadline with an error event', async () => {
		await using server = await startAlpha({ runs: ['v2-swiglu'], args: ['--drain-seconds', '0'] })
		const body = { messages: [{ role: 'user', content: 'In' }], n: 16, stream: true }
		const response = await fetch(`${server.url}/v1/chat/completions`, {
			method: 'POST',
			body: JSON.stringify(body),
		})
		const reader = response.body!.getReader()
		await reader.read()
		const stopped = server.stop()
		let text = ''
		for (;;) {
			const { done, value } = await reader.read()
			if (done) break
			text += new TextDecoder().decode(value)
		}
		expect(text).toContain('shutting_down')
		expect(text).not.toContain('"finish_reason":"stop"')
		expect(await stopped).toBe(0)
	})

	test('writes only JSON to standard error that is no terminal, the facts of its start too', async () => {
		await using server = await startAlpha({ runs: ['v1-char'] })
		await eventually(() => server.log().includes('"serving"'))
		const lines = server.log().trimEnd().split('\n')
		const records = lines.map((line) => JSON.parse(line))
		expect(records.find(({ message }) => message === 'serving')).toMatchObject({
			url: server.url,
			models: 2,
			modelNames: ['v1-char', expect.any(String)],
		})
	})

	test('shows with --print-config what it would run with, and starts with just that', async () => {
		const args = ['serve', '--print-config', '--port', '0', '--checkpoints', fixtures]
		const { status, output, errors } = await runAlpha(args, { ALPHA_THREADS: '1' })
		expect([status, errors]).toEqual([0, ''])
		expect(output).toMatch(/^threads = 1 +# ALPHA_THREADS$/m)
		const path = join(import.meta.dir, '../../node_modules/.cache/print-config.toml')
		await Bun.write(path, output)
		await using server = await startAlpha({ runs: [], args: ['--config', path] })
		expect((await fetch(`${server.url}/health`)).status).toBe(200)
		const again = await runAlpha(['serve', '--print-config'], { ALPHA_CONFIG: path })
		expect(again.output).toContain(`threads = 1`)
		expect(again.output).toMatch(/# threads in .*print-config\.toml$/m)
	})

	test.skipIf(!hasTmux)(`writes text to a terminal${hasTmux ? '' : ' (needs tmux)'}`, async () => {
		await using terminal = await openTerminal(
			`'${executablePath}' serve --port 0 --checkpoints /nowhere`,
		)
		await terminal.shows(/web page +http:/)
		const [url] = /http:\/\/127.0.0.1:\d+/.exec(await terminal.screen()) ?? []
		await (await fetch(`${url}/v1/models`)).text()
		await terminal.shows(/info request requestId=\S+ method=GET route=\/v1\/models/)
	})

	test('says what to do when the port is taken', async () => {
		await using server = await startAlpha({ runs: [] })
		const { status, errors } = await runAlpha(['serve', '--port', String(server.port)])
		expect(status).toBe(69)
		expect(errors).toContain(
			`--port: cannot listen on 127.0.0.1 port ${server.port}: another program`,
		)
		const env = { PORT: String(server.port) }
		const inherited = await runAlpha(['serve'], env)
		expect(inherited.errors).toContain(`PORT: cannot listen on 127.0.0.1 port ${server.port}`)
	})

	test('tells a host that is not this machine from a port that is taken', async () => {
		const { status, errors } = await runAlpha(['serve', '--host', 'nosuch.invalid', '--port', '0'])
		expect(status).toBe(69)
		expect(errors).toContain(
			'--host: cannot listen on nosuch.invalid port 0: the host is no address',
		)
		const env = { ALPHA_HOST: '192.0.2.1', ALPHA_PORT: '0' }
		const inherited = await runAlpha(['serve'], env)
		expect(inherited.errors).toContain(
			'ALPHA_HOST: cannot listen on 192.0.2.1 port 0: the host is no',
		)
	})

	test('refuses an instruction set that this machine does not have', async () => {
		const foreign = process.arch === 'arm64' ? 'avx2' : 'neon'
		const { status, errors } = await runAlpha(['serve', '--isa', foreign])
		expect(status).toBe(78)
		expect(errors).toContain(`got "${foreign}"`)
	})
})
