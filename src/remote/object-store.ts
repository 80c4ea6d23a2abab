/*
 * A bucket of an S3-compatible store: the few requests that runs need. Bun's client lists; the others are
 * signed here, because it has no words for conditions, and stores take only those that are signed.
 */
import { S3Client } from 'bun'
import { messageOf } from '../lib/errors.ts'
import { type Credentials, encodeKey, signedHeaders } from './sign.ts'

/** The store could not be asked, or did not do what it was asked for. */
export class ObjectStoreError extends Error {
	override readonly name = 'ObjectStoreError'
}

export interface ObjectStoreOptions {
	/** `s3://bucket` or `s3://bucket/prefix`. */
	readonly url: string
	/** AWS's variables: keys, session token, region, endpoint. */
	readonly env: Readonly<Record<string, string | undefined>>
	/** Until a request is answered, or a body goes on, in milliseconds. */
	readonly stallMs?: number
}

/** What stands under a key. */
export type Lookup =
	| { readonly type: 'gone' | 'same' }
	| { readonly type: 'found'; readonly etag: string; readonly body: AsyncIterable<Uint8Array> }

/** When an object may be written. */
export type PutCondition =
	| { readonly type: 'absent' }
	| { readonly type: 'unchanged'; readonly etag: string }
	| { readonly type: 'always' }

const STALL_MS = 10_000
const REGION = 'us-east-1'
/** Pages of a listing; 1,000 names each. */
const PAGES_MAX = 100

/** Bucket and prefix of an address; null for what is none. The prefix ends with a slash or is empty. */
export function parseStoreUrl(url: string): { bucket: string; prefix: string } | null {
	const [, bucket, path = ''] =
		/^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? []
	if (bucket === undefined || /[?#]|(^|\/)\.{1,2}(\/|$)|\/\//.test(path)) return null
	const bare = path.replace(/\/$/, '')
	return { bucket, prefix: bare === '' ? '' : `${bare}/` }
}

export class ObjectStore {
	readonly #client: S3Client
	readonly #credentials: Credentials
	/** Bucket's address, with a slash at its end. */
	readonly #base: string
	readonly #prefix: string
	readonly #stallMs: number

	/** Throws ObjectStoreError for an address or variables that cannot be used. */
	constructor({ url, env, stallMs = STALL_MS }: ObjectStoreOptions) {
		const place = parseStoreUrl(url)
		if (place === null) throw new ObjectStoreError(`expected s3://BUCKET[/PREFIX], got "${url}"`)
		const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env
		if (!accessKeyId || !secretAccessKey) {
			throw new ObjectStoreError('set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY')
		}
		const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || REGION
		const endpoint =
			env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'] || `https://s3.${region}.amazonaws.com`
		if (URL.parse(endpoint) === null) {
			throw new ObjectStoreError(`AWS_ENDPOINT_URL: expected an address, got "${endpoint}"`)
		}
		const sessionToken = env['AWS_SESSION_TOKEN'] || null
		this.#stallMs = stallMs
		this.#prefix = place.prefix
		this.#credentials = { accessKeyId, secretAccessKey, sessionToken, region }
		this.#base = `${endpoint.replace(/\/+$/, '')}/${place.bucket}/`
		this.#client = new S3Client({
			...{ bucket: place.bucket, accessKeyId, secretAccessKey, endpoint, region },
			...(sessionToken === null ? {} : { sessionToken }),
		})
	}

	/** Names directly under a path that ends with a slash, of directories. */
	async directories(path: string): Promise<string[]> {
		const prefix = this.#prefix + path
		const names: string[] = []
		let continuationToken: string | undefined
		for (let page = 0; page < PAGES_MAX; page++) {
			const request = {
				prefix,
				delimiter: '/',
				...(continuationToken ? { continuationToken } : {}),
			}
			const answer = await this.#within(`list ${path}`, this.#client.list(request))
			for (const { prefix: found } of answer.commonPrefixes ?? []) {
				names.push(found.slice(prefix.length).replace(/\/$/, ''))
			}
			if (!answer.isTruncated || !answer.nextContinuationToken) return names
			continuationToken = answer.nextContinuationToken
		}
		throw new ObjectStoreError(`list ${path}: expected at most ${PAGES_MAX * 1000} names`)
	}

	/** The object of a key, unless it still has that ETag. */
	async get(key: string, etag?: string): Promise<Lookup> {
		const headers: Record<string, string> = etag === undefined ? {} : { 'if-none-match': etag }
		const response = await this.#request('GET', key, { headers })
		if (response.status === 304) return { type: 'same' }
		if (response.status === 404) return { type: 'gone' }
		if (!response.ok) throw await refusal(`get ${key}`, response)
		const body = this.#chunks(key, response)
		return { type: 'found', etag: response.headers.get('etag') ?? '', body }
	}

	/** Writes an object; its ETag, or null when the condition does not hold. */
	async put(key: string, body: Blob | string, condition: PutCondition): Promise<string | null> {
		const headers: Record<string, string> = {}
		if (condition.type === 'absent') headers['if-none-match'] = '*'
		if (condition.type === 'unchanged') headers['if-match'] = condition.etag
		const response = await this.#request('PUT', key, { headers, body })
		// 409: somebody else is writing it at this moment.
		if (response.status === 412 || response.status === 409) return null
		if (!response.ok) throw await refusal(`put ${key}`, response)
		return response.headers.get('etag') ?? ''
	}

	async delete(key: string): Promise<void> {
		const response = await this.#request('DELETE', key, {})
		if (!response.ok && response.status !== 404) throw await refusal(`delete ${key}`, response)
	}

	async #request(
		method: 'GET' | 'PUT' | 'DELETE',
		key: string,
		{ headers = {}, body }: { headers?: Record<string, string>; body?: Blob | string },
	): Promise<Response> {
		const url = new URL(this.#base + encodeKey(this.#prefix + key))
		const stop = new AbortController()
		const answer = fetch(url, {
			method,
			headers: signedHeaders(method, url, headers, this.#credentials),
			...(body === undefined ? {} : { body }),
			redirect: 'error',
			signal: stop.signal,
		})
		const limitMs = this.#stallMs + (body instanceof Blob ? body.size / BYTES_PER_MS_MIN : 0)
		return this.#within(`${method.toLowerCase()} ${key}`, answer, limitMs, () => stop.abort())
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
			reject(new ObjectStoreError(`${what}: no answer for ${Math.round(limitMs / 1000)} s`))
			giveUp()
		}, limitMs)
		try {
			return await Promise.race([promise, late])
		} catch (error) {
			if (error instanceof ObjectStoreError) throw error
			throw new ObjectStoreError(`${what}: ${messageOf(error)}`)
		} finally {
			clearTimeout(timer)
			// Whoever lost the race says nothing any more.
			promise.catch(() => {})
		}
	}

	async *#chunks(key: string, response: Response): AsyncGenerator<Uint8Array> {
		const reader = response.body?.getReader()
		if (reader === undefined) return
		try {
			for (;;) {
				const { value, done } = await this.#within(`get ${key}`, reader.read())
				if (done) return
				yield value
			}
		} finally {
			await reader.cancel().catch(() => {})
		}
	}
}

/** Slower uploads are given up. */
const BYTES_PER_MS_MIN = 100

/** What the store says of itself, in short: its code where it has one. */
async function refusal(what: string, response: Response): Promise<ObjectStoreError> {
	const text = await response.text().catch(() => '')
	const [, code] = /<Code>([A-Za-z]{1,64})<\/Code>/.exec(text) ?? []
	const hint = code === 'RequestTimeTooSkewed' ? ': the clock of this machine is wrong' : ''
	return new ObjectStoreError(`${what}: ${response.status}${code ? ` ${code}` : ''}${hint}`)
}
