/**
 * The LiteLLM proxy in front of two servers, with the configuration that we give people: it spreads requests over
 * them, leaves alone for a while what is full or gone, and comes back to it.
 */

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI from 'openai'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/free-port.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { sequencesUnderWay } from './engine-load.ts'
import { pythonExecutable } from './python-environment.ts'

// It imports for half a minute on a busy machine.
setDefaultTimeout(600_000)

const executable = pythonExecutable('python-clients', 'litellm')
const note = executable === null ? ' (skipped: litellm is not installed)' : ''
const question = [{ role: 'user' as const, content: 'What is your name?' }]
const greedy = { model: 'alpha', messages: question, temperature: 0 }
const answer = 'My name is Alpha.'
/** The proxy does not start without one. */
const masterKey = `sk-${crypto.randomUUID()}`

/** The model of the shipped configuration. */
const brief = { model: 'novels', messages: question, temperature: 0, max_tokens: 4 }

/** A model has sixteen places and nobody waits; slow enough that `endless` keeps them for minutes. */
const serverArgs = ['--sequences-max=16', '--queue-length-max=0', '--isa=scalar', '--threads=1']
const endless = { model: 'novels-austen', prompt: 'a', n: 16, max_tokens: 2048, ignore_eos: true }

function start(port = 0): Promise<AlphaServer> {
	return startAlpha({ args: [...serverArgs, `--port=${port}`] })
}

describe.skipIf(executable === null)(`LiteLLM proxy before two servers${note}`, () => {
	let replicas: AlphaServer[]
	let proxy: { readonly client: OpenAI; stop(): Promise<void> }

	beforeAll(async () => {
		replicas = await Promise.all([start(), start()])
		proxy = await startProxy(replicas)
	})

	afterAll(async () => {
		await proxy?.stop()
		for (const replica of replicas ?? []) await replica.stop()
	})

	test('spreads answers over both', async () => {
		const ask = () => proxy.client.chat.completions.create(greedy)
		const answers = await Promise.all(Array.from({ length: 16 }, ask))
		expect(answers.map(({ choices }) => choices[0]!.message.content)).toEqual(
			Array(16).fill(answer),
		)
		const counts = await Promise.all(replicas.map((replica) => chatsOf(replica, 200)))
		expect(counts[0]! + counts[1]!).toBe(16)
		for (const count of counts) expect(count).toBeGreaterThan(0)
	})

	test('passes streams on with usage', async () => {
		const stream = await proxy.client.chat.completions.create({
			...greedy,
			stream: true,
			stream_options: { include_usage: true },
		})
		let text = ''
		let tokens = 0
		for await (const chunk of stream) {
			text += chunk.choices[0]?.delta.content ?? ''
			tokens += chunk.usage?.completion_tokens ?? 0
		}
		expect(text).toBe(answer)
		expect(tokens).toBe(12)
	})

	test('passes log-probabilities and text completions on', async () => {
		const scored = await proxy.client.chat.completions.create({ ...greedy, logprobs: true })
		expect(scored.choices[0]!.logprobs!.content).toHaveLength(12)
		const prompt = '<|user|> What is your name? <|assistant|>'
		const completion = await proxy.client.completions.create({
			model: 'alpha',
			prompt,
			max_tokens: 20,
			temperature: 0,
		})
		expect(completion.choices[0]!.text).toBe(` ${answer}`)
	})

	test('tells a client what its request has wrong', async () => {
		const hot = proxy.client.chat.completions.create({ ...greedy, temperature: 3 })
		const error = await hot.catch((cause) => cause)
		expect(error).toBeInstanceOf(OpenAI.BadRequestError)
		expect(error.message).toContain('temperature')
	})

	test('asks the other server while one is full, which it leaves alone for as long as it was told', async () => {
		const [full, other] = replicas as [AlphaServer, AlphaServer]
		using holder = new Holder(full)
		await eventually(async () => (await sequencesUnderWay(full)) === 16)
		const before = await chatsOf(other, 200)
		const startedAt = performance.now()
		await askInTurn(brief, 40)
		const seconds = (performance.now() - startedAt) / 1000
		expect((await chatsOf(other, 200)) - before).toBe(40)
		const refusals = await chatsOf(full, 503)
		expect(refusals).toBeGreaterThan(0)
		// It is told a second or more each time. Who asked by lot would have been refused 40 times.
		expect(refusals).toBeLessThanOrEqual(2 * (1 + seconds))

		const served = await chatsOf(full, 200)
		holder[Symbol.dispose]()
		await comesBackTo(full, brief, served)
	})

	test('asks the other server while one is gone, and comes back to it', async () => {
		const { port } = replicas[0]!
		await replicas[0]!.stop()
		await askInTurn(greedy, 10)
		replicas[0] = await start(port)
		await comesBackTo(replicas[0]!, greedy, 0)
	})

	async function askInTurn(body: typeof greedy, count: number): Promise<void> {
		for (let i = 0; i < count; i++) {
			const { choices } = await proxy.client.chat.completions.create(body)
			expect(choices[0]!.message.content).not.toBe('')
		}
	}

	/** Asks until the server has answered more than `served`; none of the answers may be an error. */
	function comesBackTo(server: AlphaServer, body: typeof greedy, served: number): Promise<void> {
		return eventually(async () => {
			await askInTurn(body, 1)
			return (await chatsOf(server, 200)) > served
		}, 60_000)
	}
})

/** Keeps all places of a model until it is disposed of. */
class Holder implements Disposable {
	readonly #abort = new AbortController()

	constructor({ url }: AlphaServer) {
		const { signal } = this.#abort
		const headers = { 'content-type': 'application/json' }
		const body = JSON.stringify(endless)
		fetch(`${url}/v1/completions`, { method: 'POST', headers, body, signal }).catch(() => {})
	}

	[Symbol.dispose](): void {
		this.#abort.abort()
	}
}

interface Deployment {
	readonly model_name: string
	readonly litellm_params: { readonly model: string }
}

/** The shipped configuration for these servers: its model as `novels`, another one as `alpha`. */
function configOf(replicas: readonly AlphaServer[]): string {
	const shipped = readFileSync(join(import.meta.dir, '../../deploy/proxies/litellm.yaml'), 'utf8')
	const text = replicas.reduce((before, { port }, i) => {
		return before.replace(`:300${i + 1}/`, `:${port}/`)
	}, shipped)
	const config = Bun.YAML.parse(text) as { readonly model_list: readonly Deployment[] }
	const models = config.model_list.flatMap((each) => [
		{ ...each, model_name: 'novels' },
		{ ...each, litellm_params: { ...each.litellm_params, model: 'openai/v2-bpe-chat' } },
	])
	// JSON is YAML.
	return JSON.stringify({
		...config,
		model_list: models,
		general_settings: { master_key: masterKey },
	})
}

/** Starts the proxy on a free port and waits until it answers. */
async function startProxy(replicas: readonly AlphaServer[]) {
	const workspace = tempDir()
	const configPath = join(workspace.path, 'proxy.yaml')
	writeFileSync(configPath, configOf(replicas))
	const port = freePort()
	const child = Bun.spawn(
		[executable ?? '', '--config', configPath, '--host', '127.0.0.1', '--port', String(port)],
		{
			cwd: workspace.path,
			stdin: 'ignore',
			stdout: 'ignore',
			stderr: 'pipe',
			env: { ...process.env, LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_TELEMETRY: 'False' },
		},
	)
	let log = ''
	const logged = (async () => {
		for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) log += text
	})()
	const url = `http://127.0.0.1:${port}`
	while (!(await fetch(`${url}/health/liveliness`).catch(() => null))?.ok) {
		if (child.exitCode !== null) throw new Error(`the proxy ended: ${log}`)
		await Bun.sleep(100)
	}
	return {
		client: new OpenAI({ baseURL: `${url}/v1`, apiKey: masterKey, maxRetries: 0 }),
		async stop() {
			child.kill('SIGTERM')
			await child.exited
			await logged
			workspace[Symbol.dispose]()
		},
	}
}

/** Chats that a server has answered with this status. */
async function chatsOf({ url }: AlphaServer, status: number): Promise<number> {
	const text = await (await fetch(`${url}/metrics`)).text()
	const lines = text.split('\n').filter((line) => {
		return (
			/^alpha_http_requests_total.*chat\/completions/.test(line) && line.includes(`"${status}"`)
		)
	})
	return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
