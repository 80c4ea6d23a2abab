/*
 * The clients of the benchmark, all in this one process, apart from the server and from the process
 * that measures: raw sockets that look at nothing but event boundaries, so that the client costs the
 * machine as little as possible.
 */
import type { Socket } from 'bun'
import { quantile } from './statistics.ts'
import { serveTasks } from './task-process.ts'

export interface ClientTask {
	readonly port: number
	readonly model: string
	/** Streams at the same time, each of so many tokens: the same number, or one for each. */
	readonly streams: number
	readonly maxTokens: number | readonly number[]
	/** Texts that go on, or answers in a chat (default). */
	readonly endpoint?: 'completions' | 'chat/completions'
	/** Further fields of each request. */
	readonly fields?: Readonly<Record<string, unknown>>
	/**
	 * Prompts of requests for one token, one after another, while the streams run again and again.
	 * Empty: the streams run once.
	 */
	readonly probes: readonly string[]
	/** The streams run again and again for so many seconds instead of once. */
	readonly seconds?: number
}

export interface ClientResult {
	/** From the first request to the last stream's end. */
	readonly seconds: number
	/** Tokens of the streams, as the server counted them. */
	readonly tokens: number
	/** The same of each stream. */
	readonly streamTokens: readonly number[]
	/** Between tokens of one stream, milliseconds. */
	readonly gapP50: number
	readonly gapP99: number
	readonly gapMax: number
	/** From request to first token of each probe, milliseconds. */
	readonly firstTokenMs: readonly number[]
	/** Processor time of the clients. */
	readonly processorMs: number
}

/** One token in every vocabulary: streams shall decode, not read. */
const STREAM_PROMPT = '\n'
/** More than the last events of a stream take. */
const TAIL_BYTES = 2048

const STATUS_OK = 'HTTP/1.1 200'
const EVENT = Buffer.from('data: {')
const CONTENT = Buffer.from('"content":"')
const QUOTE = '"'.charCodeAt(0)

/** One connection that makes one streamed request after another. */
class StreamClient {
	readonly #task: ClientTask
	#socket: Socket | null = null
	#end: PromiseWithResolvers<void> = Promise.withResolvers()
	#tail = ''
	/** The next bytes are the beginning of an answer. */
	#isAnswered = false
	#sentAt = 0
	#lastEventAt = 0
	/** From the last request to its first text, milliseconds. */
	firstTokenMs = Number.NaN
	/** Between reads that brought events; 0 between events that came together. */
	readonly gaps: number[] = []
	tokens = 0

	constructor(task: ClientTask) {
		this.#task = task
	}

	async connect(): Promise<void> {
		this.#socket = await Bun.connect({
			hostname: '127.0.0.1',
			port: this.#task.port,
			socket: {
				data: (_, bytes) => this.#receive(bytes),
				close: () => this.#end.reject(new Error('the server closed a connection')),
				error: (_, error) => this.#end.reject(error),
			},
		})
		this.#socket.setNoDelay(true)
	}

	/** Resolves at the stream's end. */
	request(prompt: string, maxTokens: number): Promise<void> {
		const { model, endpoint = 'chat/completions', fields } = this.#task
		const isChat = endpoint === 'chat/completions'
		const body = JSON.stringify({
			model,
			...(isChat ? { messages: [{ role: 'user', content: prompt }] } : { prompt }),
			max_tokens: maxTokens,
			stream: true,
			...fields,
		})
		const head = [
			`POST /v1/${endpoint} HTTP/1.1`,
			`Host: 127.0.0.1:${this.#task.port}`,
			'Content-Type: application/json',
			`Content-Length: ${Buffer.byteLength(body)}`,
		]
		this.#end = Promise.withResolvers()
		this.#tail = ''
		this.firstTokenMs = Number.NaN
		this.#isAnswered = true
		this.#sentAt = performance.now()
		this.#socket?.write(`${head.join('\r\n')}\r\n\r\n${body}`)
		return this.#end.promise
	}

	close(): void {
		this.#end.promise.catch(() => {})
		this.#socket?.end()
	}

	/** A chat begins with an event without text; elsewhere a first token may be a part of a character. */
	#isFirstToken(bytes: Buffer, events: number): boolean {
		return this.#task.endpoint === 'completions' ? events > 0 : hasText(bytes)
	}

	#receive(bytes: Buffer): void {
		const now = performance.now()
		const events = countEvents(bytes)
		if (!Number.isNaN(this.firstTokenMs)) {
			if (events > 0) this.gaps.push(now - this.#lastEventAt)
			for (let i = 1; i < events; i++) this.gaps.push(0)
		} else if (this.#isFirstToken(bytes, events)) {
			this.firstTokenMs = now - this.#sentAt
		}
		if (events > 0) this.#lastEventAt = now
		if (this.#isAnswered && !bytes.toString('latin1', 0, STATUS_OK.length).startsWith(STATUS_OK)) {
			this.#end.reject(new Error(`expected a stream, got ${bytes.toString('utf8', 0, 400)}`))
		}
		this.#isAnswered = false
		this.#tail = (
			this.#tail + bytes.toString('latin1', Math.max(0, bytes.length - TAIL_BYTES))
		).slice(-TAIL_BYTES)
		if (!this.#tail.includes('data: [DONE]')) return
		const count = /"completion_tokens":\s*(\d+)/.exec(this.#tail)?.[1]
		if (count === undefined) {
			this.#end.reject(new Error(`a stream ended without usage: ${this.#tail}`))
		} else {
			this.tokens += Number(count)
			this.#end.resolve()
		}
	}
}

function countEvents(bytes: Buffer): number {
	let count = 0
	for (let at = bytes.indexOf(EVENT); at !== -1; at = bytes.indexOf(EVENT, at + EVENT.length))
		count++
	return count
}

/** True when a chunk of these events has text: the role chunk's is empty. */
function hasText(bytes: Buffer): boolean {
	for (let at = bytes.indexOf(CONTENT); at !== -1; at = bytes.indexOf(CONTENT, at)) {
		at += CONTENT.length
		if (bytes[at] !== QUOTE) return true
	}
	return false
}

async function run(task: ClientTask): Promise<ClientResult> {
	const clients = Array.from({ length: task.streams }, () => new StreamClient(task))
	await Promise.all(clients.map((client) => client.connect()))
	const processorBefore = process.cpuUsage()
	const start = performance.now()
	const firstTokenMs: number[] = []
	if (task.probes.length > 0) firstTokenMs.push(...(await probe(task, clients)))
	else if (task.seconds !== undefined) await repeat(task, clients, start + task.seconds * 1000)
	else
		await Promise.all(clients.map((client, i) => client.request(STREAM_PROMPT, tokensOf(task, i))))
	const seconds = (performance.now() - start) / 1000
	const { user, system } = process.cpuUsage(processorBefore)
	for (const client of clients) client.close()
	const gaps = clients.flatMap((client) => client.gaps)
	return {
		seconds,
		tokens: clients.reduce((sum, client) => sum + client.tokens, 0),
		streamTokens: clients.map((client) => client.tokens),
		gapP50: quantile(gaps, 0.5),
		gapP99: quantile(gaps, 0.99),
		gapMax: quantile(gaps, 1),
		firstTokenMs,
		processorMs: (user + system) / 1000,
	}
}

function tokensOf({ maxTokens }: ClientTask, stream: number): number {
	return typeof maxTokens === 'number' ? maxTokens : (maxTokens[stream] ?? 0)
}

/** Streams again and again until `end`, a time of performance.now(). */
async function repeat(
	task: ClientTask,
	clients: readonly StreamClient[],
	end: number,
): Promise<void> {
	const load = clients.map(async (client, i) => {
		while (performance.now() < end) await client.request(STREAM_PROMPT, tokensOf(task, i))
	})
	await Promise.all(load)
}

/** Times to first token while the clients keep the server busy. */
async function probe(task: ClientTask, clients: readonly StreamClient[]): Promise<number[]> {
	let isOver = false
	const load = clients.map(async (client, i) => {
		while (!isOver) await client.request(STREAM_PROMPT, tokensOf(task, i))
	})
	const prober = new StreamClient(task)
	await prober.connect()
	const firstTokenMs: number[] = []
	for (const prompt of task.probes) {
		await prober.request(prompt, 1)
		firstTokenMs.push(prober.firstTokenMs)
	}
	isOver = true
	await Promise.all(load)
	prober.close()
	return firstTokenMs
}

serveTasks(run)
