/*
 * Large objects go in parts, several at a time, each tried again by itself. Nobody sees them before the
 * last request puts them together, which carries the condition. What fails takes its parts back.
 */
import { forEachAtOnce } from '../lib/at-once.ts'
import { type Bucket, elementOf, elementsOf, ObjectStoreError, plainText } from './bucket.ts'

/** The least that stores take as a part is 5 MiB. */
export const PART_BYTES_MIN = 16 * 2 ** 20
const PARTS_MAX = 10_000
const PARTS_AT_ONCE = 4
/** How often a request is tried that meets an outage, and the pause behind the first try, which doubles. */
const ATTEMPTS = 4
const PAUSE_MS = 250
/** Unfinished objects that are older were left by a publisher that is gone. */
const ABANDONED_MS = 24 * 3600 * 1000

export interface PartsOptions {
	/** Of messages. */
	readonly what: string
	/** The conditions under which the object may be written. */
	readonly headers: Readonly<Record<string, string>>
	readonly partBytes: number
}

/** The store's answer to the last request: 412 when the condition does not hold. Throws ObjectStoreError. */
export async function putInParts(
	bucket: Bucket,
	key: string,
	body: Blob,
	{ what, headers, partBytes }: PartsOptions,
): Promise<Response> {
	const uploadId = await persistently(() => begin(bucket, key, what))
	let isComplete = false
	try {
		const size = Math.max(partBytes, Math.ceil(body.size / PARTS_MAX))
		const etags = await sendParts(bucket, key, { what, uploadId, body, size })
		const query = { uploadId }
		const request = { method: 'POST', key, what, query, headers, body: listOf(etags) } as const
		const response = await bucket.send(request)
		if (!response.ok) return response
		// The status leaves before the parts are put together; how that went stands in the body.
		const answer = await bucket.text(what, response)
		const etag = elementOf(answer, 'ETag')
		if (etag === undefined) {
			const code = elementOf(answer, 'Code') ?? 'no ETag'
			throw new ObjectStoreError(`${what}: the parts were not put together: ${code}`)
		}
		isComplete = true
		return new Response(null, { headers: { etag: plainText(etag) } })
	} finally {
		if (!isComplete) await abort(bucket, key, uploadId)
	}
}

/** Takes back parts under a prefix that a publisher has left a day ago. Never fails: it is a favour to who pays. */
export async function abortAbandoned(bucket: Bucket, prefix: string): Promise<void> {
	const what = 'list unfinished uploads'
	try {
		const query = { uploads: '', prefix }
		const response = await bucket.send({ method: 'GET', key: '', what, query })
		if (!response.ok) throw await bucket.refusal(what, response)
		// Both times are the store's.
		const now = Date.parse(response.headers.get('date') ?? '')
		for (const upload of elementsOf(await bucket.text(what, response), 'Upload')) {
			const [key, uploadId] = ['Key', 'UploadId'].map((name) =>
				plainText(elementOf(upload, name) ?? ''),
			)
			const ageMs = now - Date.parse(elementOf(upload, 'Initiated') ?? '')
			if (key && uploadId && ageMs > ABANDONED_MS) await abort(bucket, key, uploadId)
		}
	} catch (error) {
		if (!(error instanceof ObjectStoreError)) throw error
	}
}

async function begin(bucket: Bucket, key: string, what: string): Promise<string> {
	const response = await bucket.send({ method: 'POST', key, what, query: { uploads: '' } })
	if (!response.ok) throw await bucket.refusal(what, response)
	const uploadId = elementOf(await bucket.text(what, response), 'UploadId')
	if (uploadId === undefined) throw new ObjectStoreError(`${what}: expected an UploadId, got none`)
	return plainText(uploadId)
}

interface Parts {
	readonly what: string
	readonly uploadId: string
	readonly body: Blob
	/** Of each part but the last, in bytes. */
	readonly size: number
}

/** The ETags of all parts, in their order. When one fails, the others are given up. */
async function sendParts(
	bucket: Bucket,
	key: string,
	{ what, uploadId, body, size }: Parts,
): Promise<string[]> {
	const etags: string[] = new Array(Math.ceil(body.size / size)).fill('')
	const sendOne = async (index: number, signal: AbortSignal) => {
		const query = { partNumber: String(index + 1), uploadId }
		const part = body.slice(index * size, Math.min(body.size, (index + 1) * size))
		const request = { method: 'PUT', key, what, query, body: part, signal } as const
		const response = await bucket.send(request)
		if (!response.ok) throw await bucket.refusal(what, response)
		await response.body?.cancel()
		etags[index] = response.headers.get('etag') ?? ''
	}
	await forEachAtOnce(etags.keys(), PARTS_AT_ONCE, (index, signal) =>
		persistently(() => sendOne(index, signal), signal),
	)
	return etags
}

/** Gives up an object in parts. Never fails: what stays is taken back by who publishes a day later. */
async function abort(bucket: Bucket, key: string, uploadId: string): Promise<void> {
	const what = 'give up an upload'
	try {
		await persistently(async () => {
			const response = await bucket.send({ method: 'DELETE', key, what, query: { uploadId } })
			if (!response.ok && response.status !== 404) throw await bucket.refusal(what, response)
			await response.body?.cancel()
		})
	} catch (error) {
		if (!(error instanceof ObjectStoreError)) throw error
	}
}

/** Tries again what meets an outage, unless it is given up meanwhile. */
async function persistently<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
	for (let attempt = 1; ; attempt++) {
		try {
			return await call()
		} catch (error) {
			const isOutage = error instanceof ObjectStoreError && error.isOutage
			if (!isOutage || attempt === ATTEMPTS || signal?.aborted) throw error
			await Bun.sleep(PAUSE_MS * 2 ** (attempt - 1))
		}
	}
}

function listOf(etags: readonly string[]): string {
	const parts = etags.map((etag, index) => {
		const text = etag.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
		return `<Part><PartNumber>${index + 1}</PartNumber><ETag>${text}</ETag></Part>`
	})
	return `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
}
