/* The sending side of POST /api/upload: a checkpoint of a run directory to a server, for `alpha upload`. */
import { open } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CheckpointVersion } from '../../checkpoint/store/checkpoint-version.ts'
import { lookAt, readSmallFile } from '../../checkpoint/store/files.ts'
import { CONFIG_NAME, TRAINER_STATE_NAME, trainingLogPath } from '../../checkpoint/store/names.ts'
import { CONFIG_BYTES_MAX } from '../../checkpoint/store/run-config.ts'
import { RunReader } from '../../checkpoint/store/run-directory.ts'
import { errorCode, messageOf } from '../../lib/errors.ts'
import { isRecord } from '../../lib/json.ts'
import { escapeControls } from '../../lib/log.ts'
import { exitStatus } from '../command.ts'
import {
	toCheckpointRequest,
	toFileRequest,
	toModelRequest,
	UploadError,
	type UploadRequest,
} from './upload-request.ts'

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
	const metrics = await readText(
		trainingLogPath(dirname(directory), basename(directory)),
		METRICS_BYTES_MAX,
	)
	if (version.files === null) {
		const config = await readText(`${directory}/${CONFIG_NAME}`, CONFIG_BYTES_MAX)
		if (config === null) throw new UploadError('the run has no config.json')
		const request = await toCheckpointRequest({ name, version, config, metrics })
		const { step, sizeBytes } = version
		await send(options, request, { ok: true, name, step }, { before: 0, total: sizeBytes })
		return { name, step }
	}
	const step = await sendModel(options, { name, version, files: version.files, metrics })
	return { name, step }
}

/** Sends the files of another trainer's model one by one, and has the model made of them; returns its step. */
async function sendModel(
	options: SendRunOptions,
	{ name, version, files, metrics }: ModelUpload,
): Promise<number> {
	const uploadId = crypto.randomUUID()
	// Files of a tree, as nanochat has it, lie beside each other on the server.
	const found = new Map<string, { readonly path: string; readonly sizeBytes: number }>()
	for (const file of [...files, TRAINER_STATE_NAME]) {
		const path = join(version.path, file)
		const state = await lookAt(path)
		if (state.type === 'file') found.set(basename(file), { path, sizeBytes: state.sizeBytes })
	}
	const total = [...found.values()].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
	let before = 0
	for (const [file, { path, sizeBytes }] of found) {
		const request = toFileRequest(path, sizeBytes, uploadId)
		await send(options, request, { ok: true, file }, { before, total })
		before += sizeBytes
	}
	// Of a file whose name tells no step, the server finds it inside.
	const step = version.step === 0 ? {} : { step: version.step }
	const request = toModelRequest({ uploadId, name, files: [...found.keys()], metrics, ...step })
	const answer = await send(options, request, { ok: true, name, ...step }, { before, total })
	return Number(answer['step'])
}

/** Bytes of the files that went before, and of all. */
interface Place {
	readonly before: number
	readonly total: number
}

/** Sends a request until the server answers with `receipt`; returns the answer. Throws UploadError. */
async function send(
	options: SendRunOptions,
	request: UploadRequest,
	receipt: Receipt,
	place: Place,
): Promise<Readonly<Record<string, unknown>>> {
	for (let attempt = 1; ; attempt++) {
		const outcome = await tryOnce(options, request, receipt, place)
		if (outcome.type === 'stored') return outcome.answer
		if (!outcome.isTransient) throw new UploadError(outcome.reason)
		if (attempt === ATTEMPTS) {
			throw new UploadError(outcome.reason, { status: exitStatus.unavailable })
		}
		const wantedSeconds = outcome.retryAfterSeconds ?? 2 ** (attempt - 1)
		const delaySeconds = Math.min(RETRY_SECONDS_MAX, wantedSeconds)
		options.onRetry?.(outcome.reason, delaySeconds)
		await sleep(delaySeconds * 1000, null, { signal: options.signal }).catch(interrupted)
	}
}

/** Fields of the only answer that says that a request was obeyed. */
type Receipt = Readonly<Record<string, string | number | boolean>>

/** A model of another trainer. */
interface ModelUpload {
	readonly name: string
	readonly version: CheckpointVersion
	readonly files: readonly string[]
	readonly metrics: string | null
}

type Outcome =
	| { readonly type: 'stored'; readonly answer: Readonly<Record<string, unknown>> }
	| {
			readonly type: 'refused'
			readonly reason: string
			/** Another try may succeed. */
			readonly isTransient: boolean
			/** How long the server wants us to wait; null where it says nothing. */
			readonly retryAfterSeconds: number | null
	  }

export async function findCheckpoint(
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

async function tryOnce(
	options: SendRunOptions,
	request: UploadRequest,
	receipt: Receipt,
	{ before, total }: Place,
): Promise<Outcome> {
	const sendTo = (url: URL) =>
		fetch(url, {
			method: 'POST',
			headers: { authorization: `Bearer ${options.secret}`, ...request.headers },
			body: toStream(bodyOf(request, (sent) => options.onProgress?.(before + sent, total))),
			redirect: 'manual',
			signal: options.signal ?? null,
		})
	try {
		const response = await followRedirects(
			new URL(options.url.replace(/\/+$/, '') + request.path),
			sendTo,
		)
		return await toOutcome(response, receipt)
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

/** Tells of the file's bytes that have been handed out. */
async function* bodyOf(
	{ before, file, after }: UploadRequest,
	onBytes: (sentBytes: number) => void,
): AsyncGenerator<Uint8Array> {
	if (before !== '') yield Buffer.from(before)
	if (file !== null) {
		await using handle = await open(file.path, 'r')
		for (let sent = 0; sent < file.sizeBytes; ) {
			// A fresh buffer each time: the one before may still be on its way.
			const { buffer, bytesRead } = await handle.read(
				new Uint8Array(READ_BYTES),
				0,
				READ_BYTES,
				sent,
			)
			if (bytesRead === 0) throw new UploadError('the checkpoint became shorter while it was sent')
			sent += bytesRead
			yield buffer.subarray(0, bytesRead)
			onBytes(sent)
		}
	}
	if (after !== '') yield Buffer.from(after)
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
				`${url.origin} redirects (${response.status}) to ${beginningOf(location)}, which is not ` +
					'followed; give --to the address that the server really has',
			)
		}
		await response.body?.cancel()
		url = next
	}
}

async function toOutcome(response: Response, receipt: Receipt): Promise<Outcome> {
	const text = await response.text()
	if (response.ok) {
		const answer = parseReceipt(text, receipt)
		if (answer !== null) return { type: 'stored', answer }
		throw new UploadError(
			`${response.status}: expected ${JSON.stringify(receipt)}, ` +
				`got ${beginningOf(text)}; is this the address of Alpha?`,
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

/** Null for the answer of something else, which may be 200, too. */
function parseReceipt(text: string, expected: Receipt): Readonly<Record<string, unknown>> | null {
	try {
		const answer: unknown = JSON.parse(text)
		if (!isRecord(answer)) return null
		return Object.entries(expected).every(([name, value]) => answer[name] === value) ? answer : null
	} catch {
		return null
	}
}

/** The message of our error object, else the text itself, cut; from any server. */
function errorMessage(text: string): string {
	try {
		const { error } = JSON.parse(text) as { readonly error?: { readonly message?: unknown } }
		if (typeof error?.message === 'string') return escapeControls(error.message)
	} catch {
		// Some other server's page.
	}
	return beginningOf(text)
}

function beginningOf(text: string): string {
	return text.trim() === '' ? 'nothing' : escapeControls(text.slice(0, 200))
}
