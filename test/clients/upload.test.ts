/** POST /api/upload of the compiled server, as the trainer calls it. */
import { afterAll, describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI from 'openai'
import { startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { families, familyAnswers } from '../helpers/families.ts'

const server = await startAlpha()
afterAll(() => server.stop())

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any-key', maxRetries: 0 })

const run = join(import.meta.dir, '../fixtures/v1-bpe')
const config = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8'))
const checkpoint = JSON.parse(readFileSync(join(run, 'checkpoint-450.json'), 'utf8'))
const metrics = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
const upload = { name: 'blessed', step: 450, config, checkpoint, metrics }

/** What the trainer's own code generates from this checkpoint. */
const greedy = { prompt: 'Blessed is the man', temperature: 0, max_tokens: 18 }
const greedyText = 'chovenemilevered to the shath'

function send(
	body: string | Uint8Array<ArrayBuffer> | ReadableStream,
	headers: Record<string, string> = {},
): Promise<Response> {
	const authorization = `Bearer ${uploadSecret}`
	return fetch(`${server.url}/api/upload`, {
		method: 'POST',
		headers: { 'content-type': 'application/json', authorization, ...headers },
		body,
	})
}

async function modelIds(): Promise<string[]> {
	return (await client.models.list()).data.map(({ id }) => id)
}

/** What is in a directory but for the index of inspections, which comes when it likes. */
function runsIn(directory: string): string[] {
	return readdirSync(directory)
		.filter((name) => !name.startsWith('.inspections.json'))
		.sort()
}

describe('POST /api/upload', () => {
	test('stores a run that the very next request can use', async () => {
		const answer = await send(JSON.stringify(upload))
		expect(await answer.json()).toEqual({ ok: true, name: 'blessed', step: 450 })
		expect(answer.status).toBe(200)
		const { choices, model } = await client.completions.create({ ...greedy, model: 'blessed' })
		expect(model).toBe('blessed')
		expect(choices[0]?.text).toStartWith(greedyText)
		// It is the newest, so it is the first.
		expect((await modelIds())[0]).toBe('blessed')
		const runs = await (await fetch(`${server.url}/api/models`)).json()
		expect(runs[0]).toMatchObject({ id: 'blessed', step: 450, lastLoss: expect.any(Number) })
	})

	test('takes the files of a model of Hugging Face, which the request after the last one can use', async () => {
		const files = ['config.json', 'tokenizer.json', 'model.safetensors']
		for (const file of files) {
			const answer = await send(readFileSync(join(families, 'gpt2', file)), {
				'content-type': 'application/octet-stream',
				'x-model-file': file,
				'x-upload-id': 'one for all',
			})
			expect(await answer.json()).toEqual({ ok: true, file })
		}
		const answer = await fetch(`${server.url}/api/upload/assemble`, {
			method: 'POST',
			headers: { authorization: `Bearer ${uploadSecret}` },
			body: JSON.stringify({ uploadId: 'one for all', name: 'opticks', files }),
		})
		expect(await answer.json()).toEqual({ ok: true, name: 'opticks', step: 0 })
		const { prompt_ids: prompt, ids, text_incremental: text } = familyAnswers('gpt2').greedy[0]!
		const { choices } = await client.completions.create({
			model: 'opticks',
			prompt: [...prompt],
			temperature: 0,
			max_tokens: ids.length,
		})
		expect(text).toStartWith(choices[0]!.text)
		expect(choices[0]!.text.length).toBeGreaterThan(10)
	})

	test('reads gzip', async () => {
		const body = Bun.gzipSync(JSON.stringify({ ...upload, name: 'zipped' }))
		const answer = await send(body, { 'content-encoding': 'gzip' })
		expect(answer.status).toBe(200)
		const { choices } = await client.completions.create({ ...greedy, model: 'zipped' })
		expect(choices[0]?.text).toStartWith(greedyText)
	})

	test('reads a body in chunks without a length', async () => {
		const { body } = new Response(Bun.gzipSync(JSON.stringify({ ...upload, name: 'chunked' })))
		const answer = await send(body!, { 'content-encoding': 'gzip' })
		expect(await answer.json()).toEqual({ ok: true, name: 'chunked', step: 450 })
	})

	test('replaces a run of the same name', async () => {
		const { status } = await send(JSON.stringify({ ...upload, name: 'twice' }))
		expect(status).toBe(200)
		const answer = await send(JSON.stringify({ ...upload, name: 'twice', step: 900 }))
		expect(answer.status).toBe(200)
		const runs: { id: string; step: number }[] = await (
			await fetch(`${server.url}/api/models`)
		).json()
		expect(runs.filter(({ id }) => id === 'twice').map(({ step }) => step)).toEqual([900])
	})

	test.each([
		['no token', { authorization: '' }],
		['another scheme', { authorization: `Basic ${uploadSecret}` }],
		['a wrong token', { authorization: 'Bearer wrong' }],
		['a token that only starts right', { authorization: `Bearer ${uploadSecret}x` }],
	])('refuses %s with 401, whatever the body is', async (_name, headers) => {
		const answer = await send('not even JSON', headers)
		expect(answer.status).toBe(401)
		expect(answer.headers.get('www-authenticate')).toBe('Bearer')
		expect(await answer.json()).toMatchObject({ error: { code: 'invalid_api_key' } })
	})

	test('takes the scheme in any case', async () => {
		const answer = await send('not even JSON', { authorization: `bearer ${uploadSecret}` })
		expect(answer.status).toBe(400)
	})

	test.each([
		['no name', { name: undefined }, 'name'],
		['a name that leaves the directory', { name: '../escape' }, 'name'],
		['a hidden name', { name: '.hidden' }, 'name'],
		['a name with a slash', { name: 'a/b' }, 'name'],
		['no step', { step: undefined }, 'step'],
		['a step as a text', { step: '450' }, 'step'],
		['a negative step', { step: -1 }, 'step'],
		['no config', { config: undefined }, 'config'],
		['a config that is no object', { config: [] }, 'config'],
		['no checkpoint', { checkpoint: undefined }, 'checkpoint'],
		['a checkpoint that is no object', { checkpoint: null }, 'checkpoint'],
		['a checkpoint without weights', { checkpoint: { ...checkpoint, params: {} } }, 'checkpoint'],
		['metrics that are no text', { metrics: [] }, 'metrics'],
	])('refuses %s with 400 and leaves nothing behind', async (_name, fields, param) => {
		const before = { ids: await modelIds(), files: runsIn(server.checkpoints) }
		const answer = await send(JSON.stringify({ ...upload, name: 'refused', ...fields }))
		expect(answer.status).toBe(400)
		expect(await answer.json()).toMatchObject({ error: { param } })
		expect(await modelIds()).toEqual(before.ids)
		expect(runsIn(server.checkpoints)).toEqual(before.files)
	})

	test.each([
		['broken gzip', new TextEncoder().encode('no gzip'), { 'content-encoding': 'gzip' }, 400],
		['an empty body', '', {}, 400],
		['a body that ends early', JSON.stringify(upload).slice(0, -1000), {}, 400],
		['an unknown coding', '{}', { 'content-encoding': 'br' }, 415],
	])('refuses %s', async (_name, body, headers, status) => {
		const answer = await send(body, headers as unknown as Record<string, string>)
		expect(answer.status).toBe(status)
	})

	test('has its own secret where API keys protect the rest', async () => {
		await using guarded = await startAlpha({ env: { ALPHA_API_KEYS: 'a-key' } })
		const post = (path: string, token: string) =>
			fetch(`${guarded.url}${path}`, {
				method: 'POST',
				headers: { authorization: `Bearer ${token}` },
				body: JSON.stringify({ ...upload, prompt: 'Blessed', max_tokens: 1 }),
			})
		expect((await post('/api/upload', 'a-key')).status).toBe(401)
		expect((await post('/api/upload', uploadSecret)).status).toBe(200)
		expect((await post('/api/generate', uploadSecret)).status).toBe(401)
		expect((await post('/api/generate', 'a-key')).status).toBe(200)
		expect((await fetch(`${guarded.url}/health`)).status).toBe(200)
	})

	test('is refused with 403 where no secret is set', async () => {
		await using closed = await startAlpha({ env: { UPLOAD_SECRET: '' } })
		const answer = await fetch(`${closed.url}/api/upload`, {
			method: 'POST',
			headers: { authorization: 'Bearer ' },
			body: JSON.stringify(upload),
		})
		expect(answer.status).toBe(403)
		const { error } = await answer.json()
		expect(error.code).toBe('uploads_disabled')
		expect(error.message).toContain('UPLOAD_SECRET')
	})
})
