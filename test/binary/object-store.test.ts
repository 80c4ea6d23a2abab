/** The executable beside an object store: what commands bring from there, and how an outage is seen. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { runAlpha } from '../helpers/run-alpha.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { refuse, type S3Stub, startS3Stub } from '../remote/s3-stub.ts'

const fixtures = join(import.meta.dir, '../fixtures')
const STORE = 's3://models/team'
const RUN = 'v2-bpe-chat'

/** A store in which a run is published, by `alpha push`. */
async function published(): Promise<S3Stub> {
	const stub = startS3Stub()
	await push(stub, RUN)
	return stub
}

async function push(stub: S3Stub, name: string): Promise<void> {
	const args = ['push', join(fixtures, RUN), '--name', name, '--to', STORE]
	const { status, errors } = await runAlpha(args, stub.env)
	expect([status, errors]).toEqual([0, ''])
}

function weightsAskedFor(stub: S3Stub): number {
	return stub.requests.filter((line) => /^GET .*\/checkpoint-/.test(line)).length
}

describe('with --checkpoints s3://…', () => {
	test('list tells what is published and brings nothing', async () => {
		await using stub = await published()
		using temp = tempDir()
		const args = ['--checkpoints', STORE, '--checkpoint-cache', join(temp.path, 'cache')]
		const table = await runAlpha(['list', ...args], stub.env)
		expect(table.output).toMatch(
			/MODEL +STEP +SIZE +DIGEST\nv2-bpe-chat +\d+ +\d.* [0-9a-f]{12}\n$/,
		)
		expect((await runAlpha(['list', '--names', ...args], stub.env)).output).toBe(`${RUN}\n`)
		const json = JSON.parse((await runAlpha(['list', '--json', ...args], stub.env)).output)
		expect(json).toMatchObject([{ name: RUN, digest: expect.any(String) }])
		expect(weightsAskedFor(stub)).toBe(0)
		expect(readdirSync(temp.path)).toEqual([])
	})

	test('show, generate and export bring the one run that they need, once', async () => {
		await using stub = await published()
		await push(stub, 'another')
		using temp = tempDir()
		const cache = join(temp.path, 'cache')
		const args = ['--checkpoints', STORE, '--checkpoint-cache', cache]
		const shown = await runAlpha(['show', RUN, ...args], stub.env)
		expect(shown.output).toMatch(/^model +v2-bpe-chat\n/)
		const text = await runAlpha(['generate', RUN, 'Once', '--max-tokens', '4', ...args], stub.env)
		expect([text.status, text.errors]).toEqual([0, ''])
		expect(text.output).toStartWith('Once')
		const out = join(temp.path, 'out')
		const exported = await runAlpha(['export', RUN, '--out', out, ...args], stub.env)
		expect([exported.status, exported.errors]).toEqual([0, ''])
		expect(existsSync(join(out, 'model.safetensors'))).toBe(true)
		expect(weightsAskedFor(stub)).toBe(1)
		expect(readdirSync(cache).filter((name) => !name.startsWith('.'))).toEqual([RUN])
	})

	test('what was brought before is used while the store is away, and that is told', async () => {
		await using stub = await published()
		using temp = tempDir()
		const args = ['--checkpoints', STORE, '--checkpoint-cache', join(temp.path, 'cache')]
		const ask = () => runAlpha(['generate', RUN, 'Once', '--max-tokens', '4', ...args], stub.env)
		const before = await ask()
		stub.fault = () => refuse(503, 'SlowDown')
		const meanwhile = await ask()
		expect(meanwhile.output.length).toBeGreaterThan('Once'.length)
		expect(meanwhile.status).toBe(before.status)
		expect(meanwhile.errors).toContain('503 SlowDown; what is here is used')
	})

	test('a model that is not there, and a store that is away, are told', async () => {
		await using stub = await published()
		using temp = tempDir()
		const args = ['--checkpoints', STORE, '--checkpoint-cache', join(temp.path, 'cache')]
		const missing = await runAlpha(['show', 'nobody', ...args], stub.env)
		expect([missing.status, missing.output]).toEqual([1, ''])
		expect(missing.errors).toContain('nobody')
		stub.fault = () => refuse(503, 'SlowDown')
		const away = await runAlpha(['list', ...args], stub.env)
		expect(away.status).toBe(69)
		expect(away.errors).toBe('alpha: object store: list runs/: 503 SlowDown\n')
	})

	test.each([
		[['runs', '--checkpoints', STORE], 'expected a directory, got s3://models/team'],
		[['check', `${STORE}/run`], 'expected a path of this machine, got s3://models/team/run'],
		[['list', '--checkpoints', STORE], 'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
		[['list', '--checkpoints', 's3://x'], 'expected s3://BUCKET[/PREFIX]'],
	])('%p is refused with what is expected', async (args, told) => {
		const { status, errors } = await runAlpha(args)
		expect(status).toBe(64)
		expect(errors).toContain(told)
	})

	test('doctor tells how the store is', async () => {
		await using stub = await published()
		using temp = tempDir()
		const args = ['doctor', '--port', '0', '--checkpoints', STORE, '--checkpoint-cache', temp.path]
		expect((await runAlpha(args, stub.env)).output).toMatch(/good +object store +\S+: 1 runs/)
		stub.fault = () => refuse(403, 'AccessDenied')
		expect((await runAlpha(args, stub.env)).output).toMatch(
			/warning +object store +\S+: list runs\/: 403 AccessDenied/,
		)
	})

	test('keys and endpoint may stand in a profile', async () => {
		await using stub = await published()
		using temp = tempDir()
		const keys = 'aws_access_key_id = a\naws_secret_access_key = b\n'
		const config = `[profile team]\nendpoint_url = ${stub.env['AWS_ENDPOINT_URL']}\n${keys}`
		await Bun.write(join(temp.path, '.aws/config'), config)
		const args = ['list', '--names', '--checkpoints', STORE]
		const env = { HOME: temp.path, AWS_PROFILE: 'team' }
		expect((await runAlpha(args, env)).output).toBe(`${RUN}\n`)
	})
})

interface Readiness {
	readonly store: {
		readonly status: string
		readonly reason: string | null
		readonly secondsSinceContact: number
	}
}

test('an outage of the store is seen in readiness and metrics, fails no inference, and its end is seen', async () => {
	await using stub = await published()
	using temp = tempDir()
	const args = ['--checkpoints', STORE, '--checkpoint-cache', temp.path]
	await using server = await startAlpha({ runs: [], env: stub.env, args })
	const readiness = async () => {
		const response = await fetch(`${server.url}/readyz`)
		expect(response.status).toBe(200)
		return ((await response.json()) as Readiness).store
	}
	const metric = async (name: string) => {
		const page = await (await fetch(`${server.url}/metrics`)).text()
		return Number(new RegExp(`^alpha_store_${name} (\\S+)$`, 'm').exec(page)?.[1])
	}
	const infer = async () => {
		const body = JSON.stringify({ model: RUN, prompt: 'a', max_tokens: 2 })
		const response = await fetch(`${server.url}/v1/completions`, { method: 'POST', body })
		await response.body?.cancel()
		return response.status
	}
	await eventually(async () => (await metric('fetched_total')) === 1, 20_000)
	expect(await readiness()).toMatchObject({ status: 'ok', reason: null })
	expect(await metric('up')).toBe(1)

	stub.fault = () => refuse(503, 'SlowDown')
	await eventually(async () => (await readiness()).status === 'degraded', 20_000)
	expect((await readiness()).reason).toBe('list runs/: 503 SlowDown')
	expect(await metric('up')).toBe(0)
	expect(await metric('failures_total')).toBeGreaterThan(0)
	expect(await infer()).toBe(200)

	stub.fault = null
	await eventually(async () => (await readiness()).status === 'ok', 20_000)
	expect(await metric('up')).toBe(1)
	expect(await metric('contact_age_seconds')).toBeLessThan(15)
	expect(await infer()).toBe(200)
}, 60_000)
