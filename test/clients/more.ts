/**
 * Clients whose installation takes minutes, so that the tests do not run them:
 *
 *     bun test/clients/more.ts
 *
 * async-openai (Rust) needs cargo, promptfoo needs npx with Node 22.22, the decoder of OpenTelemetry's
 * collector needs go; without them it says so. Ends with
 * 1 when a client found fault.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { runClient } from './client-checks.ts'

const PROMPTFOO = 'promptfoo@0.123.1'

/** True when the client is content; null when what it needs is not there. */
type Outcome = boolean | null

async function rust(): Promise<Outcome> {
	if (Bun.which('cargo') === null) return null
	const manifest = join(import.meta.dir, 'rust/Cargo.toml')
	const target = join(import.meta.dir, '../../node_modules/.cache/rust-client')
	const build = Bun.spawn(
		['cargo', 'build', '--quiet', '--locked', '--manifest-path', manifest, '--target-dir', target],
		{ stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' },
	)
	if ((await build.exited) !== 0) return false
	const { checks, status, log } = await runClient([join(target, 'debug/clients')])
	for (const { name, error } of checks) {
		console.log(`${error === null ? '(pass)' : '(fail)'} async-openai: ${name} ${error ?? ''}`)
	}
	if (status !== 0) console.log(log)
	return status === 0 && checks.length > 0 && checks.every(({ error }) => error === null)
}

function isNodeAtLeast(version: string): boolean {
	const node = Bun.which('node')
	const found = node === null ? '' : Bun.spawnSync([node, '--version']).stdout.toString().trim()
	return found !== '' && Bun.semver.order(found.slice(1), version) >= 0
}

/** Evaluates one prompt with a chat model and with a completion model. */
async function promptfoo(): Promise<Outcome> {
	if (Bun.which('npx') === null || !isNodeAtLeast('22.22.0')) return null
	await using server = await startAlpha()
	using workspace = tempDir()
	const config = { apiBaseUrl: `${server.url}/v1`, apiKey: 'any-key', temperature: 0 }
	const assert = [{ type: 'contains', value: 'My name is Alpha.' }]
	const evaluation = {
		prompts: ['{{prompt}}'],
		providers: [{ id: 'openai:chat:v2-bpe-chat', config }],
		tests: [{ vars: { prompt: 'What is your name?' }, assert }],
	}
	const completions = {
		...evaluation,
		providers: [{ id: 'openai:completion:v2-bpe-chat', config }],
		tests: [{ vars: { prompt: '<|user|> What is your name? <|assistant|>' }, assert }],
	}
	for (const [name, content] of Object.entries({ chat: evaluation, completion: completions })) {
		writeFileSync(join(workspace.path, `${name}.json`), JSON.stringify(content))
		const child = Bun.spawn(
			['npx', '--yes', PROMPTFOO, 'eval', '--no-cache', '--no-table', '-c', `${name}.json`],
			{
				cwd: workspace.path,
				stdin: 'ignore',
				stdout: 'pipe',
				stderr: 'pipe',
				env: {
					...process.env,
					PROMPTFOO_CONFIG_DIR: workspace.path,
					PROMPTFOO_DISABLE_TELEMETRY: '1',
					PROMPTFOO_DISABLE_UPDATE: '1',
				},
			},
		)
		const [output, log] = await Promise.all([
			new Response(child.stdout).text(),
			new Response(child.stderr).text(),
		])
		const passed = (await child.exited) === 0
		console.log(`${passed ? '(pass)' : '(fail)'} promptfoo: ${name}`)
		if (!passed) console.log(output + log)
		if (!passed) return false
	}
	return true
}

/** Traces of a request, read by the decoder of OpenTelemetry's collector. */
async function collector(): Promise<Outcome> {
	if (Bun.which('go') === null) return null
	const source = join(import.meta.dir, 'otlp')
	const reader = join(import.meta.dir, '../../node_modules/.cache/otlp-reader')
	const build = Bun.spawn(['go', 'build', '-C', source, '-o', reader, '.'], {
		stdin: 'ignore',
		stdout: 'inherit',
		stderr: 'inherit',
	})
	if ((await build.exited) !== 0) return false
	const bodies: string[] = []
	using receiver = Bun.serve({
		port: 0,
		hostname: '127.0.0.1',
		async fetch(request) {
			bodies.push(await request.text())
			return Response.json({})
		},
	})
	const server = await startAlpha({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url.href } })
	const [traceId, parentId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331']
	await fetch(`${server.url}/api/generate?prompt=Hello&max_tokens=4`, {
		headers: { traceparent: `00-${traceId}-${parentId}-01` },
	}).then((response) => response.text())
	await server.stop()
	const child = Bun.spawn([reader], { stdin: new Blob([bodies[0] ?? '']), stdout: 'pipe' })
	const rows = (await new Response(child.stdout).text()).split('\n').filter((row) => row !== '')
	const spans = rows.map((row) => row.split('\t'))
	const names = spans.map(([, , name]) => name).join(', ')
	const passed =
		names === 'text_completion v2-bpe-chat, queue, prefill, decode' &&
		spans.every(([trace, , , , length]) => trace === traceId && Number(length) >= 0) &&
		spans[0]?.[1] === parentId &&
		spans[0]?.[3] === 'Server'
	console.log(`${passed ? '(pass)' : '(fail)'} OpenTelemetry's collector: ${names}`)
	return passed
}

let failed = false
for (const [name, check, needs] of [
	['async-openai', rust, 'cargo'],
	['promptfoo', promptfoo, 'npx with Node 22.22 or newer'],
	["OpenTelemetry's collector", collector, 'go'],
] as const) {
	const outcome = await check()
	if (outcome === null) console.log(`(skip) ${name}: there is no ${needs}`)
	failed ||= outcome === false
}
process.exit(failed ? 1 : 0)
