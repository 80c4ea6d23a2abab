/** The LiteLLM proxy in front of two servers: it spreads requests over them and survives the loss of one. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI from 'openai'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'
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

describe.skipIf(executable === null)(`LiteLLM proxy before two servers${note}`, () => {
	let replicas: AlphaServer[]
	let proxy: { readonly client: OpenAI; stop(): Promise<void> }

	beforeAll(async () => {
		const args = ['--no-embedded-model']
		replicas = await Promise.all([startAlpha({ args }), startAlpha({ args })])
		proxy = await startProxy(replicas)
	})

	afterAll(async () => {
		await proxy?.stop()
		for (const replica of replicas ?? []) await replica.stop()
	})

	test('spreads answers over both', async () => {
		const ask = () => proxy.client.chat.completions.create(greedy)
		const answers = await Promise.all(Array.from({ length: 20 }, ask))
		expect(answers.map(({ choices }) => choices[0]!.message.content)).toEqual(
			Array(20).fill(answer),
		)
		const counts = await Promise.all(replicas.map(chatsOf))
		expect(counts[0]! + counts[1]!).toBe(20)
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

	test('goes on with the other server when one goes away', async () => {
		await replicas[0]!.stop()
		for (let i = 0; i < 10; i++) {
			const { choices } = await proxy.client.chat.completions.create(greedy)
			expect(choices[0]!.message.content).toBe(answer)
		}
	})
})

/** Starts the proxy on a free port and waits until it answers. */
async function startProxy(replicas: readonly AlphaServer[]) {
	const workspace = tempDir()
	const deployment = ({ url }: AlphaServer) => ({
		model_name: 'alpha',
		litellm_params: { model: 'openai/v2-bpe-chat', api_base: `${url}/v1`, api_key: 'any-key' },
	})
	const config = {
		model_list: replicas.map(deployment),
		router_settings: { num_retries: 5, retry_after: 0, allowed_fails: 0, cooldown_time: 60 },
		litellm_settings: { telemetry: false },
		general_settings: { master_key: masterKey },
	}
	const configPath = join(workspace.path, 'proxy.yaml')
	// JSON is YAML.
	writeFileSync(configPath, JSON.stringify(config))
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

function freePort(): number {
	const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
	const { port } = listener
	listener.stop(true)
	return port
}

/** Chats that a server has answered. */
async function chatsOf({ url }: AlphaServer): Promise<number> {
	const text = await (await fetch(`${url}/metrics`)).text()
	const lines = text
		.split('\n')
		.filter((line) => /^alpha_http_requests_total.*chat\/completions/.test(line))
	return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}
