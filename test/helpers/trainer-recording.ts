/** The recorded conversations of the trainer with a server, to be held again. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { uploadSecret } from './alpha-server.ts'

const directory = join(import.meta.dir, '../fixtures/trainer-wire')

/** Headers that belong to a connection and not to the message. */
const HOP_HEADERS = new Set(['connection', 'content-length', 'host', 'accept-encoding'])

export interface RecordedRequest {
	readonly n: number
	/** Since the first request, milliseconds. */
	readonly atMs: number
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body: Buffer<ArrayBuffer>
	/** The body as JSON; null where it is a piece of a checkpoint. */
	readonly json: Record<string, unknown> | null
	readonly answer: Readonly<Record<string, unknown>>
}

interface IndexEntry {
	readonly n: number
	readonly at_ms: number
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly body: string
	readonly answer: Readonly<Record<string, unknown>>
}

export const recordings = ['char-40-steps', 'bpe-120-steps'] as const

/** All requests of a training, in order, with the secret of the tests. */
export function readRecording(name: (typeof recordings)[number]): RecordedRequest[] {
	const index: IndexEntry[] = JSON.parse(readFileSync(join(directory, name, 'index.json'), 'utf8'))
	const startMs = index[0]?.at_ms ?? 0
	return index.map(({ n, at_ms, path, headers, body, answer }) => {
		const bytes = Buffer.from(readFileSync(join(directory, name, body)))
		const json = body.endsWith('.json') ? JSON.parse(bytes.toString()) : null
		const kept = Object.entries(headers).filter(([header]) => !HOP_HEADERS.has(header))
		const authorization = `Bearer ${uploadSecret}`
		return {
			n,
			atMs: at_ms - startMs,
			path,
			body: bytes,
			json,
			answer,
			headers: { ...Object.fromEntries(kept), authorization },
		}
	})
}

/** Sends a recorded request. Rejects when the connection breaks. */
export function sendRecorded(
	url: string,
	{ path, headers, body }: RecordedRequest,
): Promise<Response> {
	return fetch(`${url}${path}`, { method: 'POST', headers, body, keepalive: false })
}
