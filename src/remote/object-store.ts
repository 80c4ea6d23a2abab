/* A part of a bucket, and what runs need of it: lists, reads, ranges of one version, writes under conditions. */
import { readFileSync } from 'node:fs'
import { type Env, readProfile } from './aws-profile.ts'
import { Bucket, elementOf, elementsOf, ObjectStoreError, plainText } from './bucket.ts'
import { CredentialSource } from './credentials.ts'
import { abortAbandoned, PART_BYTES_MIN, putInParts } from './multipart.ts'

export interface ObjectStoreOptions {
	/** `s3://bucket` or `s3://bucket/prefix`. */
	readonly url: string
	/** AWS's variables: keys, session token, region, endpoint, profile and its files. */
	readonly env: Env
	/** Reads the files of profiles. */
	readonly readFile?: (path: string) => string
	/** Until a request is answered, or a body goes on, in milliseconds. */
	readonly stallMs?: number
	/** Larger objects are written in parts of this size. */
	readonly partBytes?: number
}

/** What stands under a key. */
export type Lookup =
	| { readonly type: 'gone' | 'same' }
	| { readonly type: 'found'; readonly etag: string; readonly text: string }

/** Bytes of an object: all of them, or those of a range of that version. */
export interface Range {
	readonly from: number
	/** Behind the last. */
	readonly to: number
	readonly etag: string | null
}

export type Reading =
	/** `other`: the store gave something else than that range of that version. */
	| { readonly type: 'gone' }
	| { readonly type: 'other' }
	| { readonly type: 'found'; readonly etag: string; readonly body: AsyncIterable<Uint8Array> }

/** When an object may be written. */
export type PutCondition =
	| { readonly type: 'absent' }
	| { readonly type: 'unchanged'; readonly etag: string }
	| { readonly type: 'always' }

const REGION = 'us-east-1'
/** Pages of a listing; 1,000 names each. */
const PAGES_MAX = 100

/** Bucket and prefix of an address; null for what is none. The prefix ends with a slash or is empty. */
function parseStoreUrl(url: string): { bucket: string; prefix: string } | null {
	const [, bucket, path = ''] =
		/^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? []
	if (bucket === undefined || /[?#]|(^|\/)\.{1,2}(\/|$)|\/\//.test(path)) return null
	const bare = path.replace(/\/$/, '')
	return { bucket, prefix: bare === '' ? '' : `${bare}/` }
}

export class ObjectStore {
	readonly #bucket: Bucket
	readonly #prefix: string
	readonly #partBytes: number

	/** Throws ObjectStoreError for an address, variables or a profile that cannot be used. */
	constructor(options: ObjectStoreOptions) {
		const { url, env, readFile = readText, stallMs, partBytes = PART_BYTES_MIN } = options
		const place = parseStoreUrl(url)
		if (place === null) throw new ObjectStoreError(`expected s3://BUCKET[/PREFIX], got "${url}"`)
		const credentials = new CredentialSource({ env, readFile })
		const { values } = readProfile(env, readFile)
		const region = env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || values['region'] || REGION
		const endpoint =
			env['AWS_ENDPOINT_URL_S3'] ||
			env['AWS_ENDPOINT_URL'] ||
			values['endpoint_url'] ||
			`https://s3.${region}.amazonaws.com`
		if (!/^https?:$/.test(URL.parse(endpoint)?.protocol ?? '')) {
			throw new ObjectStoreError(`AWS_ENDPOINT_URL: expected an address, got "${endpoint}"`)
		}
		this.#prefix = place.prefix
		this.#partBytes = partBytes
		this.#bucket = new Bucket({
			endpoint: endpoint.replace(/\/+$/, ''),
			region,
			bucket: place.bucket,
			credentials: () => credentials.get(),
			...(stallMs === undefined ? {} : { stallMs }),
		})
	}

	/** Names directly under a path that ends with a slash, of directories. */
	async directories(path: string): Promise<string[]> {
		const what = `list ${path}`
		const prefix = this.#prefix + path
		const names: string[] = []
		let token: string | undefined
		for (let page = 0; page < PAGES_MAX; page++) {
			const query = {
				...{ 'list-type': '2', prefix, delimiter: '/' },
				...(token === undefined ? {} : { 'continuation-token': token }),
			}
			const response = await this.#bucket.send({ method: 'GET', key: '', what, query })
			if (!response.ok) throw await this.#bucket.refusal(what, response)
			const answer = await this.#bucket.text(what, response)
			for (const group of elementsOf(answer, 'CommonPrefixes')) {
				const found = plainText(elementOf(group, 'Prefix') ?? '')
				names.push(found.slice(prefix.length).replace(/\/$/, ''))
			}
			const next = elementOf(answer, 'NextContinuationToken')
			if (elementOf(answer, 'IsTruncated') !== 'true' || next === undefined) return names
			token = plainText(next)
		}
		throw new ObjectStoreError(`${what}: expected at most ${PAGES_MAX * 1000} names`)
	}

	/** A small object, unless it still has that ETag. */
	async get(
		key: string,
		{ etag, bytesMax }: { readonly etag?: string | undefined; readonly bytesMax: number },
	): Promise<Lookup> {
		const what = `get ${key}`
		const headers: Record<string, string> = etag === undefined ? {} : { 'if-none-match': etag }
		const response = await this.#send('GET', key, { what, headers })
		if (response.status === 304) return { type: 'same' }
		if (response.status === 404) return { type: 'gone' }
		if (!response.ok) throw await this.#bucket.refusal(what, response)
		const text = await this.#bucket.text(what, response, bytesMax)
		return { type: 'found', etag: etagOf(response), text }
	}

	/** An object as it comes, or a range of it. */
	async read(key: string, range: Range | null, signal?: AbortSignal): Promise<Reading> {
		const what = `get ${key}`
		const headers: Record<string, string> = {}
		if (range !== null) headers['range'] = `bytes=${range.from}-${range.to - 1}`
		if (typeof range?.etag === 'string') headers['if-match'] = range.etag
		const response = await this.#send('GET', key, {
			...{ what, headers },
			...(signal === undefined ? {} : { signal }),
		})
		const found = (): Reading => {
			const body = this.#bucket.chunks(what, response)
			return { type: 'found', etag: etagOf(response), body }
		}
		if (range === null && response.status === 200) return found()
		if (range !== null && isAnswerTo(range, response)) return found()
		if (response.status === 404) {
			await response.body?.cancel()
			return { type: 'gone' }
		}
		// 412: another version; 416: it has no such bytes; 2xx: something that was not asked for.
		if (range !== null && (response.ok || [412, 416].includes(response.status))) {
			await response.body?.cancel()
			return { type: 'other' }
		}
		throw await this.#bucket.refusal(what, response)
	}

	/** Whether an object of so many bytes is written in parts. */
	isLarge(bytes: number): boolean {
		return bytes > this.#partBytes
	}

	/** Writes an object; its ETag, or null when the condition does not hold. */
	async put(key: string, body: Blob | string, condition: PutCondition): Promise<string | null> {
		const what = `put ${key}`
		const headers: Record<string, string> = {}
		if (condition.type === 'absent') headers['if-none-match'] = '*'
		if (condition.type === 'unchanged') headers['if-match'] = condition.etag
		const isLarge = body instanceof Blob && this.isLarge(body.size)
		// The last request would say so, too, when all has been sent.
		if (isLarge && condition.type === 'absent' && (await this.#exists(key))) return null
		const response = isLarge
			? await putInParts(this.#bucket, this.#prefix + key, body, {
					...{ what, headers, partBytes: this.#partBytes },
				})
			: await this.#send('PUT', key, { what, headers, body })
		// 409: somebody else is writing it at this moment.
		if (response.status === 412 || response.status === 409) return null
		if (!response.ok) throw await this.#bucket.refusal(what, response)
		return etagOf(response)
	}

	/** Takes back parts of large objects under a path that publishers have left there when they died. */
	async clearAbandoned(path: string): Promise<void> {
		await abortAbandoned(this.#bucket, this.#prefix + path)
	}

	async #exists(key: string): Promise<boolean> {
		const what = `head ${key}`
		const response = await this.#send('HEAD', key, { what })
		if (response.ok || response.status === 404) return response.ok
		throw await this.#bucket.refusal(what, response)
	}

	async delete(key: string): Promise<void> {
		const what = `delete ${key}`
		const response = await this.#send('DELETE', key, { what })
		if (response.ok || response.status === 404) return
		throw await this.#bucket.refusal(what, response)
	}

	#send(
		method: 'GET' | 'HEAD' | 'PUT' | 'DELETE',
		key: string,
		request: Omit<Parameters<Bucket['send']>[0], 'method' | 'key'>,
	): Promise<Response> {
		return this.#bucket.send({ method, key: this.#prefix + key, ...request })
	}
}

function readText(path: string): string {
	return readFileSync(path, 'utf8')
}

function etagOf(response: Response): string {
	return response.headers.get('etag') ?? ''
}

/** Whether an answer has just the bytes of a range. */
function isAnswerTo({ from, to }: Range, response: Response): boolean {
	const [, first, last] =
		/^bytes (\d+)-(\d+)\//.exec(response.headers.get('content-range') ?? '') ?? []
	return response.status === 206 && Number(first) === from && Number(last) === to - 1
}
