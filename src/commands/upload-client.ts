/* The sending side of POST /api/upload: one run directory to a server, for `alpha upload`. */
import { open } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBinaryForm } from '../checkpoint/formats/binary.ts'
import type { CheckpointVersion } from '../checkpoint/store/checkpoint-version.ts'
import { readSmallFile } from '../checkpoint/store/files.ts'
import { CONFIG_NAME, trainingLogPath } from '../checkpoint/store/names.ts'
import { CONFIG_BYTES_MAX } from '../checkpoint/store/run-config.ts'
import { RunReader } from '../checkpoint/store/run-directory.ts'
import { errorCode, messageOf } from '../lib/errors.ts'
import { isRecord } from '../lib/json.ts'
import { toBinaryRequest, toJsonRequest, type Upload, UploadError } from './upload-request.ts'

export interface SendRunOptions {
	/** The run directory; its name becomes the model's unless `name` is given. */
	readonly directory: string
	readonly name?: string
	/** Step to send; the highest by default. */
	readonly step?: number
	/** Address of the server, for instance `http://localhost:3000`. */
	readonly url: string
	readonly secret: string
	/** Bytes of the checkpoint that have been handed to the network, of how many. */
	readonly onProgress?: (sentBytes: number, totalBytes: number) => void
	/** Called before waiting for another try. */
	readonly onRetry?: (reason: string, delaySeconds: number) => void
	/** Ends the sending, and the wait for another try. */
	readonly signal?: AbortSignal
}

/** Tries in all; what the server refuses for good is tried once. */
const ATTEMPTS = 5
const RETRY_SECONDS_MAX = 60
const REDIRECTS_MAX = 5
const READ_BYTES = 2 ** 18
const METRICS_BYTES_MAX = 2 ** 28

/** Sends a run's checkpoint with its config and metrics. Throws UploadError. */
export async function sendRun(
	options: SendRunOptions,
): Promise<{ readonly name: string; readonly step: number }> {
	const directory = resolve(options.directory)
	const version = await findCheckpoint(directory, options.step)
	const name = options.name ?? basename(directory)
	const config = await readText(`${directory}/${CONFIG_NAME}`, CONFIG_BYTES_MAX)
	if (config === null) throw new UploadError('the run has no config.json')
	const metrics = await readText(
		trainingLogPath(dirname(directory), basename(directory)),
		METRICS_BYTES_MAX,
	)
	const upload: Upload = { name, version, config, metrics }
	for (let attempt = 1; ; attempt++) {
		const outcome = await tryOnce(options, upload)
		if (outcome.type === 'stored') return { name, step: version.step }
		if (!outcome.isTransient || attempt === ATTEMPTS) throw new UploadError(outcome.reason)
		const wantedSeconds = outcome.retryAfterSeconds ?? 2 ** (attempt - 1)
		const delaySeconds = Math.min(RETRY_SECONDS_MAX, wantedSeconds)
		options.onRetry?.(outcome.reason, delaySeconds)
		await sleep(delaySeconds * 1000, null, { signal: options.signal }).catch(interrupted)
	}
}

type Outcome =
	| { readonly type: 'stored' }
	| {
			readonly type: 'refused'
			readonly reason: string
			/** Another try may succeed. */
			readonly isTransient: boolean
			/** How long the server wants us to wait; null where it says nothing. */
			readonly retryAfterSeconds: number | null
	  }

async function findCheckpoint(
	directory: string,
	step: number | undefined,
): Promise<CheckpointVersion> {
	const run = await new RunReader(dirname(directory), basename(directory)).read(true)
	const versions = run?.checkpoints ?? []
	const found = step === undefined ? versions.at(-1) : versions.find((each) => each.step === step)
	if (found === undefined) {
		throw new UploadError(
			step === undefined
				? 'the run has no checkpoint'
				: `the run has no checkpoint of step ${step}`,
		)
	}
	if (found.fault !== null) throw new UploadError(`step ${found.step}: ${found.fault.reason}`)
	return found
}

async function readText(path: string, bytesMax: number): Promise<string | null> {
	try {
		return (await readSmallFile(path, bytesMax)).toString('utf8')
	} catch (error) {
		if (errorCode(error) === 'ENOENT') return null
		throw new UploadError(`${basename(path)} cannot be read`, { cause: error })
	}
}

async function tryOnce(options: SendRunOptions, upload: Upload): Promise<Outcome> {
	await using file = await open(upload.version.path, 'r')
	const start = new Uint8Array(4)
	await file.read(start, 0, start.length, 0)
	const request = isBinaryForm(start) ? toBinaryRequest(upload) : toJsonRequest(upload)
	async function* body(): AsyncGenerator<Uint8Array> {
		if (request.before !== '') yield Buffer.from(request.before)
		const { sizeBytes } = upload.version
		for (let sent = 0; sent < sizeBytes; ) {
			// A fresh buffer each time: the one before may still be on its way.
			const { buffer, bytesRead } = await file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES, sent)
			if (bytesRead === 0) throw new UploadError('the checkpoint became shorter while it was sent')
			sent += bytesRead
			yield buffer.subarray(0, bytesRead)
			options.onProgress?.(sent, sizeBytes)
		}
		if (request.after !== '') yield Buffer.from(request.after)
	}
	const send = (url: URL) =>
		fetch(url, {
			method: 'POST',
			headers: { authorization: `Bearer ${options.secret}`, ...request.headers },
			body: toStream(body()),
			redirect: 'manual',
			signal: options.signal ?? null,
		})
	try {
		return await toOutcome(await followRedirects(new URL('/api/upload', options.url), send), upload)
	} catch (error) {
		if (error instanceof UploadError) throw error
		if (options.signal?.aborted) interrupted()
		return {
			type: 'refused',
			reason: `no answer from ${options.url}: ${messageOf(error)}`,
			isTransient: true,
			retryAfterSeconds: null,
		}
	}
}

function interrupted(): never {
	throw new UploadError('interrupted')
}

/** A stream that reads ahead no further than the network takes. */
function toStream(chunks: AsyncGenerator<Uint8Array>): ReadableStream<Uint8Array> {
	return new ReadableStream({
		async pull(controller) {
			const { value, done } = await chunks.next()
			if (done) controller.close()
			else controller.enqueue(value)
		},
		async cancel() {
			await chunks.return(undefined)
		},
	})
}

/**
 * Sends again to where the server points, as long as a POST may be repeated there (307 and 308) and
 * the secret stays with the same host: HTTP may become HTTPS, nothing else. All other redirects are
 * named in an UploadError, because following them would end in a GET or tell the secret to others.
 */
async function followRedirects(
	first: URL,
	send: (url: URL) => Promise<Response>,
): Promise<Response> {
	let url = first
	for (let hop = 0; ; hop++) {
		const response = await send(url)
		const location = response.headers.get('location')
		if (response.status < 300 || response.status > 399 || location === null) return response
		const next = URL.parse(location, url)
		const keepsMethod = response.status === 307 || response.status === 308
		const isSameHost = next?.hostname === url.hostname
		const isAsSafe = next?.protocol === url.protocol || next?.protocol === 'https:'
		if (next === null || !keepsMethod || !isSameHost || !isAsSafe || hop === REDIRECTS_MAX) {
			throw new UploadError(
				`${url.origin} redirects (${response.status}) to ${location.slice(0, 200)}, which is not ` +
					'followed; give --to the address that the server really has',
			)
		}
		await response.body?.cancel()
		url = next
	}
}

async function toOutcome(response: Response, { name, version }: Upload): Promise<Outcome> {
	const text = await response.text()
	if (response.ok) {
		if (isReceipt(text, name, version.step)) return { type: 'stored' }
		throw new UploadError(
			`${response.status}: expected {"ok":true,"name":"${name}","step":${version.step}}, ` +
				`got ${text === '' ? 'nothing' : text.slice(0, 200)}; is this the address of Alpha?`,
		)
	}
	const retryAfter = Number(response.headers.get('retry-after') ?? Number.NaN)
	return {
		type: 'refused',
		reason: `${response.status}: ${errorMessage(text)}`,
		isTransient: response.status >= 500 || response.status === 409 || response.status === 429,
		retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : null,
	}
}

/** Only this answer says that the run has been stored. */
function isReceipt(text: string, name: string, step: number): boolean {
	try {
		const receipt: unknown = JSON.parse(text)
		return (
			isRecord(receipt) &&
			receipt['ok'] === true &&
			receipt['name'] === name &&
			receipt['step'] === step
		)
	} catch {
		return false
	}
}

/** The message of our error object, else the text itself, cut. */
function errorMessage(text: string): string {
	try {
		const { error } = JSON.parse(text) as { readonly error?: { readonly message?: unknown } }
		if (typeof error?.message === 'string') return error.message
	} catch {
		// Some other server's page.
	}
	return text.slice(0, 200)
}
