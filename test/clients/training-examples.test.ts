/** The examples for other trainers, run against the executable; what calls them is a stand-in. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha, uploadSecret } from '../helpers/alpha-server.ts'

setDefaultTimeout(60_000)

const python = Bun.which('python3')
const examples = join(import.meta.dir, '../examples')
const server = await startAlpha({ runs: [] })
afterAll(() => server.stop())

async function run(name: string, env: Record<string, string> = {}) {
	const child = Bun.spawn([python ?? '', join(examples, 'stand_ins.py'), name], {
		env: {
			PATH: process.env['PATH'],
			PYTHONDONTWRITEBYTECODE: '1',
			ALPHA_REMOTE_URL: server.url,
			ALPHA_REMOTE_SECRET: uploadSecret,
			...env,
		},
		stdout: 'pipe',
		stderr: 'pipe',
	})
	const [output, errors] = await Promise.all([
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
	])
	return { status: await child.exited, output, errors }
}

const note = python === null ? ' (skipped: no python3)' : ''

test.skipIf(python === null).each([
	['pytorch_loop', 'torch run', 20],
	['huggingface_callback', 'trainer run', 2],
	['nanogpt_hook', 'out-shakespeare-char', 3],
] as const)(`%s reports a whole training${note}`, async (example, runId, steps) => {
	expect(await run(example)).toEqual({ status: 0, output: '', errors: '' })
	const read = async (path: string) => {
		return (await fetch(`${server.url}/api/runs/${encodeURIComponent(runId)}${path}`)).json()
	}
	expect(await read('')).toMatchObject({
		status: 'completed',
		latest_step: 20,
		total_iters: 20,
		best_val_loss: 0.5,
		last_loss: 0.5,
	})
	const metrics: Record<string, unknown>[] = await read('/metrics')
	expect(metrics).toHaveLength(steps)
	expect(metrics.at(-1)).toMatchObject({
		step: 20,
		val_loss: 0.5,
		loss: expect.any(Number),
		lr: expect.any(Number),
	})
})

test.skipIf(python === null)(`a training goes on when nobody listens${note}`, async () => {
	const { status, output } = await run('nanogpt_hook', { ALPHA_REMOTE_URL: 'http://127.0.0.1:1' })
	expect(status).toBe(0)
	expect(output).toContain('not reported')
})

test.skipIf(python === null)(`a refusal is told with its reason${note}`, async () => {
	const { status, output } = await run('nanogpt_hook', { ALPHA_REMOTE_SECRET: 'wrong' })
	expect(status).toBe(0)
	expect(output).toContain('Expected the upload secret')
})

test('the README shows the helper as it is tested', () => {
	const readme = readFileSync(join(examples, '../../README.md'), 'utf8')
	for (const file of [
		'alpha_report.py',
		'pytorch_loop.py',
		'huggingface_callback.py',
		'nanogpt_hook.py',
	]) {
		const code = readFileSync(join(examples, file), 'utf8')
		expect(readme).toContain(file === 'alpha_report.py' ? code : `test/examples/${file}`)
	}
})
