/*
 * Requests to one bucket of an S3-compatible store, signed and with time limits. Bun's client has no words
 * for conditions, ranges of one version and parts that are given up, and stores take only what is signed.
 */
import { messageOf } from '../lib/errors.ts'
import { type Credentials, encodeKey, encodeQuery, signedHeaders } from './sign.ts'

/** The store could not be asked, or did not do what it was asked for. */
export class ObjectStoreError extends Error {
	override readonly name = 'ObjectStoreError'
	/** It was not there or had too much to do: another request would meet the same. */
	readonly isOutage: boolean

	constructor(message: string, { isOutage = false }: { readonly isOutage?: boolean } = {}) {
		super(message)
		this.isOutage = isOutage
	}
}

export interface BucketOptions {
	/** Without a slash at its end. */
	readonly endpoint: string
	readonly region: string
	readonly bucket: string
	/** Asked before each request. Rejects with ObjectStoreError. */
	readonly credentials: () => Promise<Credentials>
	/** Until a request is answered, or a body goes on, in milliseconds. */
	readonly stallMs?: number
}

export interface BucketRequest {
	readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
	/** '' for the bucket itself. */
	readonly key: string
	/** Of messages: what is done, for instance `get runs/a/HEAD.json`. */
	readonly what: string
	readonly query?: Readonly<Record<string, string>>
	readonly headers?: Readonly<Record<string, string>>
	readonly body?: Blob | string
	readonly signal?: AbortSignal
}

const STALL_MS = 10_000

/** Slower uploads are given up. */
const BYTES_PER_MS_MIN = 100

/** Of answers that are read whole. */
const TEXT_BYTES_MAX = 2 ** 24

export class Bucket {
	readonly #options: BucketOptions
	readonly #stallMs: number

	constructor(options: BucketOptions) {
		this.#options = options
		this.#stallMs = options.stallMs ?? STALL_MS
	}

	/** The store's answer, whatever it is. Throws ObjectStoreError when there is none. */
	async send(request: BucketRequest): Promise<Response> {
		const { method, key, what, query = {}, headers = {}, body, signal } = request
		const { endpoint, bucket, region, credentials } = this.#options
		const search = encodeQuery(query)
		const path = `${endpoint}/${bucket}/${encodeKey(key)}`
		const url = new URL(search === '' ? path : `${path}?${search}`)
		const proven = signedHeaders(method, url, headers, await credentials(), { region })
		const stop = new AbortController()
		const answer = fetch(url, {
			method,
			headers: proven,
			...(body === undefined ? {} : { body }),
			redirect: 'error',
			signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
		})
		const limitMs = this.#stallMs + (body instanceof Blob ? body.size / BYTES_PER_MS_MIN : 0)
		return this.#within(what, answer, limitMs, () => stop.abort())
	}

	/** The bytes of an answer as they come. Throws ObjectStoreError when they do not go on. */
	async *chunks(what: string, response: Response): AsyncGenerator<Uint8Array, void> {
		const reader = response.body?.getReader()
		if (reader === undefined) return
		try {
			for (;;) {
				const { value, done } = await this.#within(what, reader.read())
				if (done) return
				yield value
			}
		} finally {
			await reader.cancel().catch(() => {})
		}
	}

	/** A whole answer as text. Throws ObjectStoreError, also for one that is longer. */
	async text(what: string, response: Response, bytesMax = TEXT_BYTES_MAX): Promise<string> {
		const pieces: Uint8Array[] = []
		let size = 0
		for await (const piece of this.chunks(what, response)) {
			size += piece.length
			if (size > bytesMax) {
				throw new ObjectStoreError(`${what}: expected at most ${bytesMax} bytes`)
			}
			pieces.push(piece)
		}
		return Buffer.concat(pieces).toString('utf8')
	}

	/** What the store says of a request that it refuses, in short: its code where it has one. */
	async refusal(what: string, response: Response): Promise<ObjectStoreError> {
		const { status } = response
		const text = await this.text(what, response).catch(() => '')
		const code = elementOf(text, 'Code') ?? ''
		const name = /^[A-Za-z]{1,64}$/.test(code) ? ` ${code}` : ''
		const hint = code === 'RequestTimeTooSkewed' ? ': the clock of this machine is wrong' : ''
		const isOutage = status >= 500 || status === 429 || status === 408
		return new ObjectStoreError(`${what}: ${status}${name}${hint}`, { isOutage })
	}

	/** What a promise resolves to, unless it takes too long. */
	async #within<T>(
		what: string,
		promise: Promise<T>,
		limitMs = this.#stallMs,
		giveUp = () => {},
	): Promise<T> {
		const { promise: late, reject } = Promise.withResolvers<never>()
		const timer = setTimeout(() => {
			const seconds = Math.round(limitMs / 1000)
			reject(new ObjectStoreError(`${what}: no answer for ${seconds} s`, { isOutage: true }))
			giveUp()
		}, limitMs)
		try {
			return await Promise.race([promise, late])
		} catch (error) {
			if (error instanceof ObjectStoreError) throw error
			throw new ObjectStoreError(`${what}: ${messageOf(error)}`, { isOutage: true })
		} finally {
			clearTimeout(timer)
			// Whoever lost the race says nothing any more.
			promise.catch(() => {})
		}
	}
}

/** Text of the first element of that name in the XML of a store; undefined where there is none. */
export function elementOf(xml: string, name: string): string | undefined {
	return elementsOf(xml, name)[0]
}

/** Texts of all elements of that name. */
export function elementsOf(xml: string, name: string): string[] {
	const found = xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([^]*?)</${name}>`, 'g'))
	return [...found].map(([, text = '']) => text)
}

const ENTITIES: Readonly<Record<string, string>> = {
	'&lt;': '<',
	'&gt;': '>',
	'&quot;': '"',
	'&apos;': "'",
	'&#34;': '"',
	'&#39;': "'",
	'&amp;': '&',
}

/** Text of an element without the entities of XML. */
export function plainText(text: string): string {
	return text.replace(/&(?:lt|gt|quot|apos|amp|#34|#39);/g, (entity) => ENTITIES[entity]!)
}
