/*
 * Clients in a process of their own, so that what they cost is neither the server's nor the measuring
 * process's: each asks again and again over a connection that it keeps.
 */
import { connect, type Socket } from 'node:net'
import { serveTasks } from '../../bench/task-process.ts'
import { HttpAnswer } from '../../helpers/http-answer.ts'
import { type Ask, requestText } from './traffic.ts'

export interface ClientTask {
	readonly port: number
	readonly clients: number
	/** Addresses that they come from, 127.0.1.`from` (default: 1) and following. */
	readonly addresses: number
	readonly from?: number
	readonly ms: number
	/** How long who is refused waits before it asks again; 'told' = as Retry-After says. */
	readonly retryMs: number | 'told'
	/** How long who is answered waits; default: not at all. */
	readonly restMs?: number
	/** What each of them asks, in turn. */
	readonly requests: readonly Ask[]
}

export interface ClientResult {
	/** Time of each answer, in milliseconds. */
	readonly accepted: readonly number[]
	readonly refused: readonly number[]
	/** Refusals without Retry-After. */
	readonly silent: number
	/** Requests whose connection ended before they were answered, and why the first did. */
	readonly broken: number
	readonly cause: string | null
	/** Processor time of all clients. */
	readonly cpuMs: number
}

/** A connection that is opened again when it ends. */
class Client {
	readonly #port: number
	readonly #from: string
	#socket: Socket | null = null
	#answer = new HttpAnswer()
	#ended = Promise.withResolvers<HttpAnswer>()

	constructor(port: number, from: string) {
		this.#port = port
		this.#from = from
	}

	/** Rejects when the connection ends before. */
	ask(text: string): Promise<HttpAnswer> {
		this.#ended = Promise.withResolvers()
		this.#answer = new HttpAnswer()
		this.#socket ??= this.#open()
		this.#socket.write(text)
		return this.#ended.promise
	}

	close(): void {
		this.#socket?.destroy()
	}

	#open(): Socket {
		const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress: this.#from })
		socket.setNoDelay(true)
		socket.on('error', (error) => this.#ended.reject(error))
		socket.on('close', () => {
			this.#socket = null
			this.#ended.reject(new Error('closed'))
		})
		socket.on('data', (bytes: Buffer) => {
			this.#answer.take(bytes)
			if (!this.#answer.isWhole) return
			// It will be closed behind this answer.
			if (this.#answer.header('connection') === 'close') {
				this.#socket = null
				socket.removeAllListeners('close').destroy()
			}
			this.#ended.resolve(this.#answer)
		})
		return socket
	}
}

async function run(task: ClientTask): Promise<ClientResult> {
	const { port, clients, addresses, from = 1, ms, retryMs, restMs = 0 } = task
	const result = { accepted: [] as number[], refused: [] as number[], silent: 0, broken: 0 }
	let cause: string | null = null
	const texts = task.requests.map(requestText)
	const startedAt = performance.now()
	const end = startedAt + ms
	const before = process.cpuUsage()
	const life = async (index: number) => {
		const client = new Client(port, `127.0.1.${from + (index % addresses)}`)
		// They do not come all at once.
		await Bun.sleep(Math.random() * Math.min(ms / 10, 500))
		for (let i = index; performance.now() < end; i++) {
			const askedAt = performance.now()
			try {
				const answer = await client.ask(texts[i % texts.length] ?? '')
				const took = performance.now() - askedAt
				// What is answered later was served later.
				const isInTime = performance.now() <= end
				if (answer.status === 200) {
					if (isInTime) result.accepted.push(took)
					if (restMs > 0) await Bun.sleep(Math.min(restMs, end - performance.now()))
					continue
				}
				if (isInTime) result.refused.push(took)
				const told = Number(answer.header('retry-after'))
				if (told === 0) result.silent++
				const wait = retryMs === 'told' ? told * 1000 : retryMs * (0.5 + Math.random())
				await Bun.sleep(Math.min(wait, end - performance.now()))
			} catch (error) {
				result.broken++
				cause ??= String(error)
			}
		}
		client.close()
	}
	await Promise.all(Array.from({ length: clients }, (_, index) => life(index)))
	const { user, system } = process.cpuUsage(before)
	return { ...result, cause, cpuMs: (user + system) / 1000 }
}

serveTasks(run)
