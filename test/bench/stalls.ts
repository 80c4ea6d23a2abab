/**
 * How long one heavy request keeps other connections waiting: the longest pause of streams, steps of the
 * engine included, and the longest wait for /health with the work of the main thread meanwhile.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { families } from '../helpers/families.ts'
import type { Waits } from '../helpers/main-thread.ts'
import { type Bench, roundsOf, servedName } from './bench-context.ts'
import type { ClientResult, ClientTask } from './http-client.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'
import { TaskProcess } from './task-process.ts'
import type { WatchTask } from './wait-watch.ts'

const STREAMS = 4
const STREAM_TOKENS = 200
/** How long the streams run before the request comes, milliseconds. */
const LEAD_MS = 100
const WAIT_GOAL: Goal = { of: 'value', bound: 'max', limit: 20 }

const MODEL = servedName('embedded')
const CHARACTERS = 500_000

/** A request of a kind; each round has its own, so that nothing is remembered from the one before. */
interface HeavyRequest {
	readonly path: string
	readonly body: (round: number) => string
}

/** A model with GPT-2's vocabulary; each round loads one that is not in memory. */
const LARGE_VOCABULARY = join(families, 'nanogpt-gpt2bpe')
const largeVocabulary = (round: number) => `large-vocabulary-${round}`

const REQUESTS: Readonly<Record<string, HeavyRequest>> = {
	'completion, 500,000 characters': {
		path: '/v1/completions',
		body: (round) => json({ prompt: text(CHARACTERS, round), max_tokens: 1 }),
	},
	'chat, 500,000 characters in one message': {
		path: '/v1/chat/completions',
		body: (round) => json({ messages: [user(text(CHARACTERS, round))], max_tokens: 1 }),
	},
	'chat, 5,000 messages': {
		path: '/v1/chat/completions',
		body: (round) => json({ messages: list(5000, () => user(text(100, round))), max_tokens: 1 }),
	},
	'/tokenize, 500,000 characters': {
		path: '/tokenize',
		body: (round) => json({ prompt: text(CHARACTERS, round) }),
	},
	'echo of 100,000 token ids': {
		path: '/v1/completions',
		body: (round) =>
			json({ prompt: list(100_000, () => 1 + (round % 9)), echo: true, max_tokens: 1 }),
	},
	'echo of 100,000 token ids with log-probabilities': {
		path: '/v1/completions',
		body: (round) =>
			json({
				prompt: list(100_000, () => 1 + (round % 9)),
				echo: true,
				logprobs: 5,
				max_tokens: 1,
			}),
	},
	'streamed echo of 100,000 token ids with log-probabilities': {
		path: '/v1/completions',
		body: (round) =>
			json({
				prompt: list(100_000, () => 1 + (round % 9)),
				echo: true,
				logprobs: 5,
				stream: true,
				max_tokens: 1,
			}),
	},
	'prompt of 2,000,000 token ids': {
		path: '/v1/completions',
		body: (round) => json({ prompt: list(2_000_000, () => 1 + (round % 9)), max_tokens: 1 }),
	},
	'metadata nested 40,000 deep': {
		path: '/v1/responses',
		body: () => `{"model":"${MODEL}","input":"a","metadata":${nested('{"a":', '1', '}', 40_000)}}`,
	},
	'schema with a constant nested 100,000 deep': {
		path: '/v1/chat/completions',
		body: () =>
			`{"model":"${MODEL}","messages":[],"response_format":{"type":"json_schema","json_schema":{"schema":` +
			`{"const":${nested('[', '', ']', 100_000)}}}}}`,
	},
	'schema of 200 properties': schemaRequest((round) => ({
		type: 'object',
		properties: properties(200, (i) => `name_${round}_${i}`, { type: 'string' }),
		additionalProperties: false,
	})),
	'schema of 300 alternatives': schemaRequest((round) => ({
		anyOf: list(300, (i) => ({
			type: 'object',
			properties: { [`kind_${round}_${i}`]: { const: i }, value: { type: 'number' } },
			required: [`kind_${round}_${i}`],
			additionalProperties: false,
		})),
	})),
	'schema of 300 bounded numbers': schemaRequest((round) => ({
		type: 'object',
		properties: Object.fromEntries(
			list(300, (i) => [
				`n${i}`,
				{ type: 'number', minimum: i * 1.37 + round, maximum: i * 7919.25 + 1e6 },
			]),
		),
		additionalProperties: false,
	})),
	'schema of 100 patterns': schemaRequest((round) => ({
		type: 'object',
		properties: Object.fromEntries(
			list(100, (i) => [
				`n${i}`,
				{ type: 'string', pattern: `^[a-z${round}]{1,${20 + i}}@[a-z]+\\.(com|org)$` },
			]),
		),
		additionalProperties: false,
	})),
	'schema of up to 64 out of 900 properties': schemaRequest((round) => ({
		type: 'object',
		properties: properties(900, (i) => `name_${round}_${i}`, { type: 'boolean' }),
		minProperties: 60,
		maxProperties: 64,
	})),
	'schema of 8,000 choices': schemaRequest((round) => ({
		enum: list(8_000, (i) => `choice ${i * 7919} of ${round}`),
	})),
	'body of 7.5 MB with 300,000 names': {
		path: '/v1/chat/completions',
		body: (round) =>
			json({
				messages: [user('a')],
				max_tokens: 1,
				ignored: properties(300_000, (i) => `a property ${i}`, round),
			}),
	},
	'body of 7.5 MB with one text': {
		path: '/v1/chat/completions',
		body: (round) => json({ messages: [user(text(7_500_000, round))], max_tokens: 1 }),
	},
	'first request for a model of 50,257 tokens': {
		path: '/v1/completions',
		body: (round) => json({ model: largeVocabulary(round), prompt: 'a', max_tokens: 1 }),
	},
	'16 choices with 64 stop texts': {
		path: '/v1/chat/completions',
		body: (round) =>
			json({
				messages: [user('a')],
				max_tokens: 50,
				n: 16,
				stop: list(64, (i) => `${text(1000, i)}${round}`),
			}),
	},
}

export async function measureStalls(bench: Bench): Promise<void> {
	const runs = join(bench.directory, 'runs-of-stalls')
	for (let round = 0; round < bench.rounds; round++)
		cpSync(LARGE_VOCABULARY, join(runs, largeVocabulary(round)), { recursive: true })
	await using server = await startServer(bench, runs)
	using client = new TaskProcess<ClientTask, ClientResult>('http-client.ts')
	using watcher = new TaskProcess<WatchTask, Waits>('wait-watch.ts')
	const target = { port: server.port, model: MODEL, streams: STREAMS, maxTokens: STREAM_TOKENS }
	const seconds = bench.sampleSeconds * 10
	const observe = async (request?: () => Promise<void>) => {
		const streams = client.run({ ...target, probes: [], seconds })
		const watch = watcher.run({ pid: server.pid, port: server.port, seconds })
		await Bun.sleep(LEAD_MS)
		await request?.()
		return { pauseMs: (await streams).gapMax, ...(await watch) }
	}
	const send = async (path: string, body: string) => {
		const url = `http://127.0.0.1:${server.port}${path}`
		const headers = { 'content-type': 'application/json' }
		const answer = await fetch(url, { method: 'POST', headers, body })
		await answer.arrayBuffer()
		if (answer.status >= 500) throw new Error(`${path} answered ${answer.status}`)
		return answer.status
	}
	// The server's code is compiled while these run.
	for (let round = 0; round < 3; round++) await observe()

	type Observation = Awaited<ReturnType<typeof observe>>
	const add = (name: string, seen: readonly Observation[], goal: Goal | null) => {
		const row = (name: string, samples: readonly number[], goal: Goal | null) =>
			bench.report.add({ subject: 'embedded', name, unit: 'ms', samples, goal })
		row(
			name,
			seen.map(({ pauseMs }) => pauseMs),
			goal,
		)
		row(
			'  /health waits',
			seen.map(({ waitedMs }) => waitedMs),
			goal,
		)
		row(
			'  of which the main thread works',
			seen.map(({ heldMs }) => heldMs),
			null,
		)
	}
	const alone: Observation[] = []
	for await (const _ of roundsOf(bench)) alone.push(await observe())
	add('no request beside them', alone, null)
	for (const [name, { path, body }] of Object.entries(REQUESTS)) {
		const seen: Observation[] = []
		let status = 0
		for await (const round of roundsOf(bench)) {
			const content = body(round)
			const request = async () => {
				status = await send(path, content)
			}
			seen.push(await observe(request))
		}
		add(`${name}: ${status}`, seen, WAIT_GOAL)
	}
}

function schemaRequest(schema: (round: number) => object): HeavyRequest {
	const format = (round: number) => ({
		type: 'json_schema',
		json_schema: { schema: schema(round) },
	})
	return {
		path: '/v1/chat/completions',
		body: (round) =>
			json({ messages: [user('a')], max_tokens: 20, response_format: format(round) }),
	}
}

function json(fields: object): string {
	return JSON.stringify({ model: MODEL, ...fields })
}

function user(content: string): object {
	return { role: 'user', content }
}

function list<T>(length: number, item: (index: number) => T): T[] {
	return Array.from({ length }, (_, index) => item(index))
}

function properties(count: number, name: (index: number) => string, value: unknown): object {
	return Object.fromEntries(list(count, (index) => [name(index), value]))
}

function nested(open: string, middle: string, close: string, depth: number): string {
	return open.repeat(depth) + middle + close.repeat(depth)
}

const WORDS =
	'it is a truth universally acknowledged that a single man in possession of fortune'.split(' ')

/** Words in an order that does not repeat soon. */
function text(length: number, seed: number): string {
	let state = seed + 1
	let words = ''
	while (words.length < length) {
		state = (state * 48_271) % 2_147_483_647
		words += `${WORDS[state % WORDS.length]} `
	}
	return words.slice(0, length)
}
