/** Models for other tools over HTTP. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AlphaServer, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { runAlpha } from '../helpers/run-alpha.ts'
import { tempDir } from '../helpers/temp-dir.ts'

setDefaultTimeout(60_000)

const fixtures = join(import.meta.dir, '../fixtures')
const authorization = { authorization: `Bearer ${uploadSecret}` }

let server: AlphaServer
beforeAll(async () => {
	server = await startAlpha({ runs: ['v2-swiglu', 'v2-softcap1'] })
	cpSync(join(fixtures, 'families/gpt2'), join(server.checkpoints, 'foreign'), { recursive: true })
})
afterAll(() => server.stop())

const ask = (name: string, init: RequestInit = { headers: authorization }) =>
	fetch(`${server.url}/api/models/${encodeURIComponent(name)}/export`, init)

/** Nothing is left beside the runs. */
const isClean = () => !existsSync(join(server.checkpoints, '.incoming'))

describe('GET /api/models/{id}/export', () => {
	test.each(['v2-swiglu', 'v2-softcap1', 'novels-austen'])(
		'gives the directory that alpha export writes of %s',
		async (name) => {
			using at = tempDir()
			const answer = await ask(name)
			expect(answer.status).toBe(200)
			expect(answer.headers.get('content-type')).toBe('application/octet-stream')
			const bytes = await answer.bytes()
			const unpacked = Bun.spawnSync(['tar', '-x', '-C', at.path], { stdin: bytes })
			expect([unpacked.exitCode, unpacked.stderr.toString()]).toEqual([0, ''])
			const [directory] = readdirSync(at.path)
			expect(answer.headers.get('content-disposition')).toBe(
				`attachment; filename="${directory}.tar"`,
			)
			const layout = name === 'v2-swiglu' ? [] : ['--layout', 'own']
			const out = join(at.path, 'written')
			const args = ['export', name, '--out', out, '--checkpoints', server.checkpoints, ...layout]
			const written = await runAlpha(args)
			expect([written.status, written.errors]).toEqual([0, ''])
			const received = join(at.path, directory!)
			expect(readdirSync(received).sort()).toEqual(readdirSync(out).sort())
			for (const file of readdirSync(out).filter((file) => file !== 'README.md')) {
				expect([
					file,
					readFileSync(join(received, file)).equals(readFileSync(join(out, file))),
				]).toEqual([file, true])
			}
			await eventually(isClean)
		},
	)

	test('needs the upload secret', async () => {
		expect((await ask('v2-swiglu', {})).status).toBe(401)
	})

	test('refuses what it does not have, and models that came from other tools', async () => {
		expect((await ask('nobody')).status).toBe(404)
		await eventually(async () => (await ask('foreign')).status === 400)
		expect((await (await ask('foreign')).json()).error.message).toContain('family gpt2')
		await eventually(isClean)
	})

	test('gives up the exports whose clients leave before they are answered', async () => {
		const leaving = new AbortController()
		const { signal } = leaving
		const asked = Array.from({ length: 8 }, () =>
			ask('novels-austen', { headers: authorization, signal }).catch(() => 'left'),
		)
		await eventually(() => !isClean())
		leaving.abort()
		await Promise.all(asked)
		const next = await ask('v2-swiglu')
		expect(next.status).toBe(200)
		await next.bytes()
		await eventually(isClean)
		await eventually(() => /"route":"\/api\/models\/:id\/export".*"status":499/.test(server.log()))
	})

	test('leaves nothing behind when the client goes away, and exports nothing for HEAD', async () => {
		const leaving = new AbortController()
		const answer = await ask('novels-austen', { headers: authorization, signal: leaving.signal })
		await answer.body!.getReader().read()
		leaving.abort()
		await eventually(isClean)
		const head = await ask('novels-austen', { method: 'HEAD', headers: authorization })
		expect([head.status, head.headers.get('content-length')]).toEqual([200, null])
		expect(isClean()).toBe(true)
	})
})
