import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { executablePath, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { runAlpha } from '../helpers/run-alpha.ts'

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
		const [status, output, errors] = await Promise.all([
			child.exited,
			new Response(child.stdout).text(),
			new Response(child.stderr).text(),
		])
		return { status, output, errors }
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

describe('alpha upload', () => {
	test('sends a run, which is then served', async () => {
		await using server = await startAlpha({ runs: [] })
		const directory = join(fixtures, 'v1-word')
		const sent = await runAlpha(['upload', directory, '--to', server.url], {
			UPLOAD_SECRET: uploadSecret,
		})
		expect([sent.status, sent.output]).toEqual([
			0,
			`v1-word step 1000 has arrived at ${server.url}\n`,
		])
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

	test('writes only JSON to standard error when it is asked to, the facts of its start too', async () => {
		await using server = await startAlpha({ args: ['--log-format=json'], runs: ['v1-char'] })
		await eventually(() => server.log().includes('"serving"'))
		const lines = server.log().trimEnd().split('\n')
		const records = lines.map((line) => JSON.parse(line))
		expect(records.find(({ message }) => message === 'serving')).toMatchObject({
			url: server.url,
			models: 2,
			modelNames: ['v1-char', expect.any(String)],
		})
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
