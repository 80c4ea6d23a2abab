import { describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sendRun } from '../../../src/commands/client/upload-client.ts'
import { toApiError } from '../../../src/server/error-handler.ts'
import type { UploadOptions } from '../../../src/upload/upload.ts'
import { families } from '../../helpers/families.ts'
import { tempDir } from '../../helpers/temp-dir.ts'
import { inPieces, UploadDoor } from '../../upload/upload-fixture.ts'

const fixtures = join(import.meta.dir, '../../fixtures')

/** An upload door behind HTTP; `answer` may answer a request instead of it. */
async function serveDoor(
	answer: (request: Request) => Response | undefined = () => undefined,
	options: Partial<UploadOptions> = {},
) {
	const door = await UploadDoor.open(options)
	const server = Bun.serve({
		port: 0,
		hostname: '127.0.0.1',
		async fetch(request) {
			const early = answer(request)
			if (early !== undefined) return early
			const { headers, signal } = request
			const upload = { headers, signal, body: request.body ?? inPieces(new Uint8Array()) }
			const result = await (request.url.endsWith('/assemble')
				? door.receiver.assemble(upload)
				: door.receiver.receive(upload)
			).catch(toApiError)
			if ('status' in result) {
				return Response.json({ error: { message: result.message } }, { status: result.status })
			}
			return Response.json({ ok: true, ...result })
		},
	})
	return {
		door,
		url: server.url.href,
		async [Symbol.asyncDispose]() {
			await server.stop(true)
			door[Symbol.dispose]()
		},
	}
}

describe('sending a run', () => {
	test.each([
		['v1-word', 1000],
		['v2-composed', 240],
		['v2-stripped-upload', 400],
	])('%s arrives byte for byte', async (name, step) => {
		await using server = await serveDoor()
		const directory = join(fixtures, name)
		const progress: number[] = []
		const sent = await sendRun({
			directory,
			url: server.url,
			secret: 's',
			onProgress: (done, total) => progress.push(done / total),
		})
		expect(sent).toEqual({ name, step })
		const file = `checkpoint-${step}.json`
		const arrived = readFileSync(join(server.door.path, name, file))
		expect(arrived.equals(readFileSync(join(directory, file)))).toBe(true)
		expect(progress.at(-1)).toBe(1)
		const { config, lastLoss } = {
			config: JSON.parse(readFileSync(join(directory, 'config.json'), 'utf8')),
			lastLoss: server.door.store.find(name)?.lastLoss,
		}
		expect(server.door.store.find(name)?.trainConfig).toEqual(config.trainConfig)
		expect(lastLoss === null).toBe(name === 'v2-stripped-upload')
	})

	test.each(['gpt2', 'gpt2-sharded', 'nanogpt-char', 'gpt2-bin'])(
		'a model of another trainer, %s, arrives file by file',
		async (name) => {
			await using server = await serveDoor(undefined, { allowsPickles: true })
			const progress: number[] = []
			const { step } = await sendRun({
				directory: join(families, name),
				url: server.url,
				secret: 's',
				onProgress: (done, total) => progress.push(done / total),
			})
			const stored = join(server.door.path, name, `checkpoint-${step}`)
			for (const file of readdirSync(stored)) {
				const sent = readFileSync(join(families, name, file))
				expect(readFileSync(join(stored, file)).equals(sent)).toBeTrue()
			}
			expect(progress).toEqual(progress.toSorted((a, b) => a - b))
			expect(progress.at(-1)).toBe(1)
			expect(server.door.store.find(name)?.step).toBe(step)
		},
	)

	test('a step of Trainer, with what was logged', async () => {
		await using server = await serveDoor()
		using temp = tempDir()
		const directory = join(temp.path, 'trained')
		cpSync(join(families, 'gpt2'), join(directory, 'checkpoint-8'), { recursive: true })
		cpSync(join(families, 'gpt2-fp16'), join(directory, 'checkpoint-9'), { recursive: true })
		const state = join(fixtures, 'trainer-state/step-8.json')
		cpSync(state, join(directory, 'checkpoint-8/trainer_state.json'))
		await sendRun({ directory, step: 8, url: server.url, secret: 's' })
		const run = server.door.store.find('trained')
		expect(run).toMatchObject({ step: 8, lastLoss: 3.35577392578125 })
	})

	test('a pickle is refused with what to do', async () => {
		await using server = await serveDoor()
		const directory = join(families, 'nanogpt-char')
		await expect(sendRun({ directory, url: server.url, secret: 's' })).rejects.toThrow(
			'--allow-pickle-uploads',
		)
	})

	test('an older step under another name', async () => {
		await using server = await serveDoor()
		const directory = join(fixtures, 'v1-word')
		const sent = await sendRun({
			directory,
			name: 'other',
			step: 900,
			url: server.url,
			secret: 's',
		})
		expect(sent).toEqual({ name: 'other', step: 900 })
		expect(server.door.store.find('other')?.step).toBe(900)
	})

	test('is tried again when the server is busy or fails, as it asks', async () => {
		let requests = 0
		await using server = await serveDoor(() => {
			requests++
			const headers = { 'retry-after': '0.01' }
			return requests < 3
				? new Response('busy', { status: requests === 1 ? 409 : 503, headers })
				: undefined
		})
		const retries: string[] = []
		await sendRun({
			directory: join(fixtures, 'v1-char'),
			url: server.url,
			secret: 's',
			onRetry: (reason) => retries.push(reason),
		})
		expect(retries).toEqual(['409: busy', '503: busy'])
	})

	test('is not tried again when it is refused for good', async () => {
		using directory = tempDir()
		const run = join(directory.path, 'bad')
		cpSync(join(fixtures, 'v1-char'), run, { recursive: true })
		writeFileSync(join(run, 'checkpoint-301.json'), '{"modelConfig":{},"params":{}}')
		let requests = 0
		await using server = await serveDoor(() => {
			requests++
			return undefined
		})
		const sending = sendRun({ directory: run, url: server.url, secret: 's' })
		await expect(sending).rejects.toThrow('400: The checkpoint cannot be served: modelConfig.nEmbd')
		expect(requests).toBe(1)
	})

	test.each([
		['a page', () => new Response('<html>Welcome</html>')],
		['nothing', () => new Response('')],
		['another name', () => Response.json({ ok: true, name: 'other', step: 300 })],
		['another step', () => Response.json({ ok: true, name: 'v1-char', step: 299 })],
		['no success', () => Response.json({ ok: false, name: 'v1-char', step: 300 })],
	])('is not believed to have arrived when the answer is %s', async (_, answer) => {
		let requests = 0
		await using server = await serveDoor(() => {
			requests++
			return answer()
		})
		const directory = join(fixtures, 'v1-char')
		const sending = sendRun({ directory, url: server.url, secret: 's' })
		await expect(sending).rejects.toThrow(
			'200: expected {"ok":true,"name":"v1-char","step":300}, got',
		)
		expect(requests).toBe(1)
	})

	test('goes to the server behind a path, and shows nothing that a terminal would obey', async () => {
		const paths: string[] = []
		await using server = await serveDoor(({ url }) => {
			paths.push(new URL(url).pathname)
			return new Response(paths.length === 1 ? '\x1b[2J' : '', { status: 400 })
		})
		const send = (url: string) =>
			sendRun({ directory: join(fixtures, 'v1-char'), url, secret: 's' })
		await expect(send(`${server.url}models/`)).rejects.toThrow('400: \\u001b[2J')
		await expect(send(server.url)).rejects.toThrow('400: nothing')
		expect(paths).toEqual(['/models/api/upload', '/api/upload'])
	})

	test.each([307, 308])('follows a redirect that keeps the method: %i', async (status) => {
		await using server = await serveDoor(({ url }) =>
			url.endsWith('/moved') ? undefined : Response.redirect('/moved', status),
		)
		const directory = join(fixtures, 'v1-char')
		const sent = await sendRun({ directory, url: server.url, secret: 's' })
		expect(sent).toEqual({ name: 'v1-char', step: 300 })
		expect(server.door.store.find('v1-char')?.step).toBe(300)
	})

	test.each([
		['would become a GET', 302, '/moved'],
		['would become a GET', 301, '/moved'],
		['leads to another host', 308, 'http://localhost:1/api/upload'],
		['leads nowhere', 308, 'http://'],
		['never ends', 307, '/api/upload'],
	])('names a redirect that %s: %i %s', async (_, status, location) => {
		const headers = { location }
		await using server = await serveDoor(() => new Response(null, { status, headers }))
		const directory = join(fixtures, 'v1-char')
		const retries: string[] = []
		const sending = sendRun({
			directory,
			url: server.url,
			secret: 's',
			onRetry: (reason) => retries.push(reason),
		})
		await expect(sending).rejects.toThrow(`redirects (${status}) to ${location}`)
		expect(retries).toEqual([])
	})

	test('says what is wrong with the directory', async () => {
		using directory = tempDir()
		const run = join(directory.path, 'run')
		mkdirSync(run)
		const send = () => sendRun({ directory: run, url: 'http://localhost:1', secret: 's' })
		await expect(send()).rejects.toThrow('the run has no checkpoint')
		writeFileSync(join(run, 'checkpoint-1.json'), 'ALPH')
		await expect(send()).rejects.toThrow('step 1: still arriving')
		writeFileSync(join(run, 'checkpoint-1.json'), '{"modelConfig":{}}')
		await expect(send()).rejects.toThrow('the run has no config.json')
	})

	test('says why it waits for another try, and ends when it is interrupted', async () => {
		const controller = new AbortController()
		const reasons: string[] = []
		const sending = sendRun({
			directory: join(fixtures, 'v1-char'),
			url: 'http://localhost:1',
			secret: 's',
			onRetry: (reason) => {
				reasons.push(reason)
				controller.abort()
			},
			signal: controller.signal,
		})
		await expect(sending).rejects.toThrow('interrupted')
		expect(reasons).toEqual([expect.stringContaining('no answer from http://localhost:1')])
	})
})
