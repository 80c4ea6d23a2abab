/** The `openai` package against the compiled server: errors by class, retries, clients that leave. */
import { afterAll, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { engineStops, generatedTokens, sequencesUnderWay } from './engine-load.ts'

const server = await startAlpha()
afterAll(() => server.stop())

const options = { baseURL: `${server.url}/v1`, apiKey: 'any-key' }
const client = new OpenAI({ ...options, maxRetries: 0 })

const messages = [{ role: 'user' as const, content: 'What is your name?' }]
const valid = { model: 'v2-bpe-chat', messages }

/** Keeps the engine busy for seconds: the larger model, as many tokens as a request may ask for. */
const endless = { model: 'novels-austen', messages, n: 16, max_tokens: 2048, ignore_eos: true }

/** Runs what starts `endless` and leaves it; few of its tokens must have been generated. */
async function stopsEarly(leave: () => Promise<void>): Promise<void> {
	const before = await generatedTokens(server)
	await leave()
	await engineStops(server)
	const generated = (await generatedTokens(server)) - before
	expect(generated).toBeLessThan((endless.n * endless.max_tokens) / 2)
}

/** What a request fails with. */
async function failure(request: Promise<unknown>): Promise<InstanceType<typeof OpenAI.APIError>> {
	try {
		await request
	} catch (error) {
		if (error instanceof OpenAI.APIError) return error
		throw error
	}
	throw new Error('expected the request to fail')
}

/** Counts the attempts of a client, and says what each was answered with. */
function countingFetch() {
	const statuses: number[] = []
	const retryCounts: (string | null)[] = []
	const counting = async (input: string | URL | Request, init?: RequestInit) => {
		retryCounts.push(new Headers(init?.headers).get('x-stainless-retry-count'))
		const response = await fetch(input, init)
		statuses.push(response.status)
		return response
	}
	return { statuses, retryCounts, fetch: counting }
}

describe('openai: errors by class', () => {
	test('an unknown model is a NotFoundError with param and code', async () => {
		const error = await failure(client.chat.completions.create({ ...valid, model: 'gpt-4o' }))
		expect(error).toBeInstanceOf(OpenAI.NotFoundError)
		expect(error).toMatchObject({
			status: 404,
			type: 'invalid_request_error',
			param: 'model',
			code: 'model_not_found',
		})
		expect(error.message).toContain('gpt-4o')
		expect(error.requestID).toMatch(/\S/)
	})

	test.each([
		['temperature above 2', { temperature: 3 }, 'temperature', 'decimal_above_max_value'],
		['max_tokens below 1', { max_tokens: 0 }, 'max_tokens', 'integer_below_min_value'],
		['empty messages', { messages: [] }, 'messages', 'empty_array'],
		['no messages', { messages: undefined }, 'messages', 'missing_required_parameter'],
		['stream of another type', { stream: 'yes' }, 'stream', 'invalid_type'],
		['65 stop texts', { stop: Array(65).fill('a') }, 'stop', 'array_above_max_length'],
		[
			'an unknown role',
			{ messages: [{ role: 'robot', content: 'x' }] },
			'messages[0].role',
			'invalid_value',
		],
		['a call without tools', { tool_choice: 'required' }, 'tools', 'invalid_value'],
		[
			'an image',
			{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'x' } }] }] },
			'messages[0].content[0].type',
			'unsupported_value',
		],
		['audio', { audio: { voice: 'alloy', format: 'mp3' } }, 'audio', 'unsupported_parameter'],
	])('%s is a BadRequestError that names the field', async (_name, fields, param, code) => {
		const body = { ...valid, ...fields } as typeof valid
		const error = await failure(client.chat.completions.create(body))
		expect(error).toBeInstanceOf(OpenAI.BadRequestError)
		expect(error).toMatchObject({ status: 400, param, code, type: 'invalid_request_error' })
	})

	test('a prompt that does not fit is refused where truncation is disabled', async () => {
		const long = [{ role: 'user' as const, content: 'apples '.repeat(100) }]
		const body = { ...valid, messages: long, truncation: 'disabled' } as typeof valid
		const error = await failure(client.chat.completions.create(body))
		expect(error).toBeInstanceOf(OpenAI.BadRequestError)
		expect(error.code).toBe('context_length_exceeded')
		expect(error.message).toMatch(/maximum context length is 64 tokens.*your prompt has \d+ tokens/)
	})

	test('a wrong path is a NotFoundError in JSON', async () => {
		const error = await failure(client.get('/no/such/path'))
		expect(error).toBeInstanceOf(OpenAI.NotFoundError)
		expect(error.code).toBe('unknown_url')
	})

	test('errors come before the stream starts', async () => {
		const body = { ...valid, model: 'gpt-4o', stream: true as const }
		expect(await failure(client.chat.completions.create(body))).toBeInstanceOf(OpenAI.NotFoundError)
	})

	test('without a key on a protected server it is an AuthenticationError', async () => {
		await using guarded = await startAlpha({ env: { ALPHA_API_KEYS: 'right-key' } })
		const baseURL = `${guarded.url}/v1`
		const stranger = new OpenAI({ baseURL, apiKey: 'wrong-key', maxRetries: 0 })
		const error = await failure(stranger.models.list())
		expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
		expect(error.code).toBe('invalid_api_key')
		const friend = new OpenAI({ baseURL, apiKey: 'right-key' })
		expect((await friend.models.list()).data.length).toBe(2)
	})
})

describe('openai: retries', () => {
	test('a bad request is sent once', async () => {
		const counter = countingFetch()
		const retrying = new OpenAI({ ...options, maxRetries: 2, fetch: counter.fetch })
		await failure(retrying.chat.completions.create({ ...valid, temperature: 3 }))
		expect(counter.statuses).toEqual([400])
	})

	test('a full queue is 503 with Retry-After, and the retry succeeds when there is room', async () => {
		await using small = await startAlpha({ args: ['--queue-length-max=0', '--sequences-max=16'] })
		const baseURL = `${small.url}/v1`
		const impatient = new OpenAI({ baseURL, apiKey: 'any-key', maxRetries: 0 })
		const abort = new AbortController()
		const busy = impatient.chat.completions.create(endless, { signal: abort.signal })
		const left = failure(busy)
		await eventually(async () => (await sequencesUnderWay(small)) === 16)

		const more = { ...valid, n: 16 }
		const error = await failure(impatient.chat.completions.create(more))
		expect(error).toBeInstanceOf(OpenAI.InternalServerError)
		expect(error).toMatchObject({ status: 503, code: 'overloaded' })
		expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(0)

		const counter = countingFetch()
		const patient = new OpenAI({ baseURL, apiKey: 'any-key', maxRetries: 2, fetch: counter.fetch })
		const retried = patient.chat.completions.create({ ...more, temperature: 0 })
		await eventually(() => counter.statuses.length === 1)
		abort.abort()
		expect(await left).toBeInstanceOf(OpenAI.APIUserAbortError)
		expect((await retried).choices[15]?.message.content).toBe('My name is Alpha.')
		expect(counter.statuses).toEqual([503, 200])
		expect(counter.retryCounts).toEqual(['0', '1'])
	})

	test('a server that is not there is an APIConnectionError', async () => {
		const gone = new OpenAI({ ...options, baseURL: 'http://127.0.0.1:9/v1', maxRetries: 0 })
		expect(await failure(gone.models.list())).toBeInstanceOf(OpenAI.APIConnectionError)
	})
})

describe('openai: clients that leave', () => {
	test('breaking out of a stream stops the engine', async () => {
		await stopsEarly(async () => {
			const stream = await client.chat.completions.create({ ...endless, stream: true })
			for await (const chunk of stream) {
				if (chunk.choices[0]?.delta.content) break
			}
		})
	})

	test('aborting a stream stops the engine', async () => {
		await stopsEarly(async () => {
			const stream = await client.chat.completions.create({ ...endless, stream: true })
			await stream[Symbol.asyncIterator]().next()
			expect(await sequencesUnderWay(server)).toBe(16)
			stream.controller.abort()
		})
	})

	test('aborting a request that is not streamed stops the engine', async () => {
		await stopsEarly(async () => {
			const abort = new AbortController()
			const request = failure(client.chat.completions.create(endless, { signal: abort.signal }))
			await eventually(async () => (await sequencesUnderWay(server)) === 16)
			abort.abort()
			expect(await request).toBeInstanceOf(OpenAI.APIUserAbortError)
		})
	})

	test('a timeout of the client stops the engine', async () => {
		await stopsEarly(async () => {
			const request = client.chat.completions.create(endless, { timeout: 200 })
			expect(await failure(request)).toBeInstanceOf(OpenAI.APIConnectionTimeoutError)
		})
	})

	test('leaving does not touch the others', async () => {
		const alone = await client.chat.completions.create({ ...valid, seed: 3, max_tokens: 60 })
		const leaving = await client.chat.completions.create({ ...endless, stream: true })
		const staying = client.chat.completions.create({ ...valid, seed: 3, max_tokens: 60 })
		leaving.controller.abort()
		expect((await staying).choices[0]?.message.content).toBe(
			alone.choices[0]?.message.content ?? null,
		)
	})
})

describe('openai: a server that goes down', () => {
	test('lets a stream finish that needs less than the drain time', async () => {
		await using stopping = await startAlpha({ args: ['--drain-seconds=20'] })
		const leaving = new OpenAI({ ...options, baseURL: `${stopping.url}/v1`, maxRetries: 0 })
		const body = { ...valid, model: 'novels-austen', max_tokens: 500, stream: true as const }
		let text = ''
		let finishReason: string | null = null
		for await (const { choices } of await leaving.chat.completions.create(body)) {
			const delta = choices[0]?.delta.content ?? ''
			if (text === '' && delta !== '') process.kill(stopping.pid, 'SIGTERM')
			text += delta
			finishReason = choices[0]?.finish_reason ?? null
		}
		expect(finishReason).toBe('length')
		expect(text.length).toBeGreaterThan(500)
	})

	test('ends the streams that are left with an error, never as if they were complete', async () => {
		// Slow enough that nothing is complete when the signal comes.
		const args = ['--drain-seconds=0', '--isa=scalar', '--threads=1']
		await using stopping = await startAlpha({ args })
		const leaving = new OpenAI({ ...options, baseURL: `${stopping.url}/v1`, maxRetries: 0 })
		const texts = await fetch(`${stopping.url}/api/chat`, {
			method: 'POST',
			body: JSON.stringify({ model: 'novels-austen', messages, maxTokens: 500 }),
		})
		const stream = await leaving.chat.completions.create({ ...endless, stream: true })
		const read = async () => {
			let text = ''
			for await (const { choices } of stream) {
				expect(choices[0]?.finish_reason).toBeNull()
				const delta = choices[0]?.delta.content ?? ''
				// Once: a second signal would end the process at once.
				if (text === '' && delta !== '') process.kill(stopping.pid, 'SIGTERM')
				text += delta
			}
		}
		const error = await failure(read())
		expect(error).toMatchObject({ code: 'shutting_down' })
		expect(await texts.text().catch((cause) => cause)).toBeInstanceOf(Error)
	})
})
