/** The routes of a running server that commands ask. */
import type { ModelCardSchema, RunSchema } from '../../alpha/schemas/models.ts'
import type { EventRowSchema, TrainingRunRow } from '../../alpha/schemas/runs.ts'
import { messageOf } from '../../lib/errors.ts'
import { describeValue, isRecord } from '../../lib/json.ts'
import { CommandError, exitStatus } from '../command.ts'
import { textOption, urlOption } from '../settings/option-kinds.ts'
import { settings } from '../settings/settings.ts'

/** An event of the live stream. */
export interface LiveEvent {
	readonly type: string
	readonly data: unknown
}

/** Options of all commands that ask a server. */
export const serverOptions = settings({
	url: urlOption({
		flag: '--url',
		defaultValue: 'http://127.0.0.1:3000',
		help: 'the server',
	}),
	apiKey: textOption({
		key: 'api-key',
		isSecret: true,
		placeholder: 'KEY',
		defaultValue: null,
		help: 'API key, where the server asks for one',
	}),
})

export class ServerClient {
	readonly #url: string
	readonly #headers: Readonly<Record<string, string>>
	readonly #signal: AbortSignal

	constructor(url: string, apiKey: string | null, signal: AbortSignal) {
		this.#url = url.replace(/\/+$/, '')
		this.#headers = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }
		this.#signal = signal
	}

	/** Models with their states, as `GET /api/events` tells them first. */
	async models(): Promise<readonly RunSchema[]> {
		for await (const { type, data } of this.#events('/api/events')) {
			if (type === 'models' && Array.isArray(data)) return data
		}
		throw this.#ended()
	}

	/** Everything about one model but its training metrics. */
	async model(id: string): Promise<ModelCardSchema> {
		return await this.#record(`/api/models/${encodeURIComponent(id)}?points=1`)
	}

	async runs(): Promise<readonly TrainingRunRow[]> {
		return await this.#list('/api/runs')
	}

	async run(id: string): Promise<TrainingRunRow> {
		return await this.#record(`/api/runs/${encodeURIComponent(id)}`)
	}

	async metrics(id: string, last: number): Promise<readonly Record<string, unknown>[]> {
		return await this.#list(`/api/runs/${encodeURIComponent(id)}/metrics?last=${last}`)
	}

	/** `query` as the route has it. */
	async events(id: string, query: URLSearchParams): Promise<readonly EventRowSchema[]> {
		return await this.#list(`/api/runs/${encodeURIComponent(id)}/events?${query}`)
	}

	/** News of a run until the connection ends. */
	live(id: string): AsyncGenerator<LiveEvent> {
		return this.#events(`/api/training/live?run=${encodeURIComponent(id)}`)
	}

	async *#events(path: string): AsyncGenerator<LiveEvent> {
		const response = await this.#get(path)
		const decoder = new TextDecoder()
		let text = ''
		for await (const bytes of this.#untilEnded(response.body ?? [])) {
			text += decoder.decode(bytes, { stream: true })
			const blocks = text.split('\n\n')
			text = blocks.pop() ?? ''
			for (const block of blocks) {
				const [, type, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? []
				if (type !== undefined && data !== undefined) yield { type, data: this.#parse(data) }
			}
		}
	}

	async #list<T>(path: string): Promise<readonly T[]> {
		const value = await this.#json(path)
		if (!Array.isArray(value) || !value.every(isRecord)) throw this.#notAlpha('a list', value)
		return value as readonly T[]
	}

	async #record<T>(path: string): Promise<T> {
		const value = await this.#json(path)
		if (!isRecord(value)) throw this.#notAlpha('an object', value)
		return value as T
	}

	async #json(path: string): Promise<unknown> {
		const { body } = await this.#get(path)
		const pieces = await Array.fromAsync(this.#untilEnded(body ?? []))
		return this.#parse(Buffer.concat(pieces).toString('utf8'))
	}

	#parse(text: string): unknown {
		try {
			return JSON.parse(text)
		} catch {
			throw this.#notAlpha('JSON', text)
		}
	}

	/** The bytes of an answer; one that breaks off is a server that has gone. */
	async *#untilEnded(body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
		try {
			yield* body
		} catch (error) {
			throw this.signal.aborted ? error : this.#ended()
		}
	}

	#ended(): CommandError {
		return new CommandError(exitStatus.unavailable, `${this.#url}: the connection has ended`)
	}

	#notAlpha(expected: string, got: unknown): CommandError {
		const problem = `expected ${expected}, got ${printable(describeValue(got))}`
		return new CommandError(1, `${this.#url}: ${problem}; is this the address of Alpha?`)
	}

	async #get(path: string): Promise<Response> {
		const { signal } = this
		let response: Response
		try {
			response = await fetch(`${this.#url}${path}`, { headers: this.#headers, signal })
		} catch (error) {
			if (signal.aborted) throw error
			const problem = `${this.#url} cannot be reached (${messageOf(error)})`
			throw new CommandError(exitStatus.unavailable, problem)
		}
		if (response.ok) return response
		const body: unknown = await response.json().catch(() => null)
		const error = isRecord(body) && isRecord(body['error']) ? body['error']['message'] : null
		const problem = printable(String(error ?? `HTTP ${response.status}`))
		throw new CommandError(1, `${this.#url}: ${problem}`)
	}

	get signal(): AbortSignal {
		return this.#signal
	}
}

/** Text that a trainer sent, harmless to a terminal. */
export function printable(text: string): string {
	// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
	return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, ' ')
}
