/** alpha runs, watch and events against the executable. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executablePath, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { runAlpha } from '../helpers/run-alpha.ts'

setDefaultTimeout(30_000)

const server = await startAlpha({ runs: ['v1-char'] })
afterAll(() => server.stop())

async function report(body: object, path = '/api/ingest'): Promise<void> {
	const headers = { authorization: `Bearer ${uploadSecret}` }
	await fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

await report({
	type: 'run_start',
	runId: 'war & peace',
	trainConfig: { iters: 40 },
	infra: { hostname: 'shed' },
})
await report({
	type: 'metrics',
	runId: 'war & peace',
	metrics: [
		{ step: 1, loss: 4 },
		{ step: 2, loss: 3, valLoss: 3.5 },
	],
})
await report({
	type: 'event',
	runId: 'war & peace',
	event: { step: 2, level: 'warn', kind: 'spike_skip', message: 'first' },
})

/** Starts a command and reads its output piece by piece. */
function follow(args: readonly string[], url = server.url) {
	const child = Bun.spawn([executablePath, ...args, '--url', url], {
		stdout: 'pipe',
		stderr: 'pipe',
	})
	const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader()
	let text = ''
	const until = async (wanted: string) => {
		while (!text.includes(wanted)) {
			const { value, done } = await reader.read()
			if (done) throw new Error(`ended after: ${text}`)
			text += value
		}
		return text
	}
	return { child, until }
}

test('alpha runs lists the runs of a server, or of the directory', async () => {
	const asked = await runAlpha(['runs', '--url', server.url])
	expect(asked.status).toBe(0)
	expect(asked.output).toMatch(/war & peace +training +2\/40 +3\.5000 +3\.5000 +\S.* shed\n/)
	expect(asked.output).toMatch(/v1-char +completed +300\/300/)
	const read = await runAlpha(['runs', '--checkpoints', server.checkpoints])
	expect(read.output).toMatch(/war & peace +training +2\/40/)
})

test('alpha events prints what a training told, and goes on with --follow', async () => {
	const { status, output } = await runAlpha(['events', 'war & peace', '--url', server.url])
	expect([status, output]).toEqual([
		0,
		expect.stringMatching(/^\S+ \S+ {2} +2 {2}warn {3}spike_skip {2}first\n$/),
	])
	const following = follow(['events', 'war & peace', '--follow', '--level', 'info'])
	await following.until('first')
	await report({
		type: 'event',
		runId: 'war & peace',
		event: { level: 'debug', message: 'a detail' },
	})
	await report({ type: 'event', runId: 'war & peace', event: { message: 'second' } })
	expect(await following.until('second')).not.toContain('a detail')
	following.child.kill('SIGINT')
	expect(await following.child.exited).toBe(130)
})

test('alpha watch follows a training to its end', async () => {
	const watching = follow(['watch', 'war & peace'])
	await watching.until('step 2 of 40')
	await report({ type: 'metrics', runId: 'war & peace', metrics: [{ step: 3, loss: 2.25 }] })
	expect(await watching.until('step 3 of 40')).toContain('loss 2.25')
	await report({ runId: 'war & peace', finalStep: 40 }, '/api/ingest/complete')
	await watching.until('completed')
	expect(await watching.child.exited).toBe(0)
})

test('alpha watch shows that a training goes on that had fallen silent', async () => {
	const directory = join(server.checkpoints, 'silent')
	mkdirSync(directory)
	const record = { runId: 'silent', state: 'active', lastHeardAt: '2026-01-01T00:00:00.000Z' }
	writeFileSync(join(directory, 'run.json'), JSON.stringify(record))
	await eventually(async () => (await fetch(`${server.url}/api/runs/silent`)).ok, 20_000)
	const watching = follow(['watch', 'silent'])
	await watching.until('silent  stale, nothing heard for')
	await report({ type: 'metrics', runId: 'silent', metrics: [{ step: 7, loss: 2 }] })
	expect(await watching.until('step 7')).toContain('silent  training')
	watching.child.kill('SIGINT')
	expect(await watching.child.exited).toBe(130)
})

test('alpha watch says when the server is away, and goes on when it is back', async () => {
	const checkpoints = mkdtempSync(join(tmpdir(), 'alpha-test-'))
	const directory = join(checkpoints, 'run')
	mkdirSync(directory)
	writeFileSync(join(directory, 'metrics.jsonl'), '{"step":1,"loss":3}\n')
	const env = { CHECKPOINTS_DIR: checkpoints }
	const first = await startAlpha({ runs: [], env })
	const watching = follow(['watch', 'run'], first.url)
	try {
		await watching.until('step 1')
		await first.stop()
		await watching.until('cannot be reached')
		appendFileSync(join(directory, 'metrics.jsonl'), '{"step":2,"loss":2}\n')
		await using _second = await startAlpha({ runs: [], env, args: [`--port=${first.port}`] })
		await watching.until('step 2')
	} finally {
		watching.child.kill('SIGINT')
		await watching.child.exited
		rmSync(checkpoints, { recursive: true })
	}
})

test('what cannot be asked is said', async () => {
	const nobody = await runAlpha(['watch', 'nobody', '--url', server.url])
	expect([nobody.status, nobody.errors]).toEqual([
		1,
		expect.stringContaining('There is no run "nobody"'),
	])
	const nowhere = await runAlpha(['events', 'x', '--url', 'http://127.0.0.1:1'])
	expect([nowhere.status, nowhere.errors]).toEqual([
		69,
		expect.stringContaining('cannot be reached'),
	])
	expect((await runAlpha(['watch'])).status).toBe(64)
	expect((await runAlpha(['watch', 'x', '--url', 'nonsense'])).status).toBe(64)
})
