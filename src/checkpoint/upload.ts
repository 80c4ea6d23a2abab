/*
 * POST /api/upload behind its authorisation: the body streams to disk while it is inflated, taken
 * apart and hashed; the loader that serves verifies the file; then it moves into its run at once.
 * Memory is constant, nothing is visible before it is whole, and a failure leaves nothing behind.
 */
import { createReadStream } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import {
	conflict,
	insufficientStorage,
	internalError,
	invalidCheckpoint,
	invalidJson,
	invalidType,
	invalidValue,
	missingParameter,
	storageUnavailable,
	unavailable,
} from '../lib/api-errors.ts'
import { ApiError } from '../lib/errors.ts'
import {
	JsonObjectSplitter,
	JsonSyntaxError,
	type ValuePiece,
} from './formats/json-object-splitter.ts'
import { JsonStringDecoder } from './formats/json-string-decoder.ts'
import type { CheckpointInfo } from './load.ts'
import { errorCode } from './regular-file.ts'
import { checkpointName } from './run-directory.ts'
import { isRunOrFree, type StagedFile, StagedRun } from './staging.ts'
import type { CheckpointStore } from './store.ts'
import { type BodyLimits, readBody } from './upload-body.ts'
import {
	checkConfig,
	checkContentLength,
	checkName,
	checkStep,
	contentEncoding,
	headerFields,
	type UploadFields,
} from './upload-request.ts'

/** An upload whose sender is authorised. */
export interface UploadRequest {
	readonly headers: Headers
	readonly body: AsyncIterable<Uint8Array>
	/** Fires when the sender goes away. */
	readonly signal: AbortSignal
}

export interface UploadResult {
	readonly name: string
	readonly step: number
	/** SHA-256 of the checkpoint file, hex. */
	readonly sha256: string
	/** False when the run held the same bytes already. */
	readonly isNew: boolean
}

export interface UploadOptions extends Partial<BodyLimits> {
	readonly store: CheckpointStore
	/** Verifies a file to its last number. Rejects with an error whose `fault` says whose it is. */
	readonly verify: (path: string) => Promise<CheckpointInfo>
	readonly log: (level: 'info' | 'warn', message: string) => void
	/** Uploads that may be under way at once. */
	readonly uploadsMax?: number
	/** Longest time an upload may take, milliseconds. */
	readonly durationMsMax?: number
}

const UPLOADS_MAX = 16
const DURATION_MS_MAX = 3_600_000
const BODY_LIMITS: BodyLimits = {
	bytesMax: 4 * 2 ** 30,
	inflatedBytesMax: 16 * 2 ** 30,
	stallMs: 60_000,
}

/** Longest raw JSON of the fields that are held in memory. */
const FIELD_BYTES_MAX = { name: 4096, step: 64, config: 2 ** 22 } as const

const RETRY_AFTER_SECONDS = 2

/** Names of the staged files until the step is known. */
const STAGED_CHECKPOINT = 'checkpoint'
const CONFIG = 'config.json'
const METRICS = 'metrics.jsonl'

export class UploadReceiver {
	readonly #options: UploadOptions
	readonly #limits: BodyLimits
	#count = 0
	/** Runs that somebody is uploading. */
	readonly #writers = new Set<string>()

	constructor(options: UploadOptions) {
		this.#options = options
		this.#limits = {
			bytesMax: options.bytesMax ?? BODY_LIMITS.bytesMax,
			inflatedBytesMax: options.inflatedBytesMax ?? BODY_LIMITS.inflatedBytesMax,
			stallMs: options.stallMs ?? BODY_LIMITS.stallMs,
		}
	}

	/** Stores a checkpoint; when this resolves, it is served. Throws ApiError. */
	async receive(request: UploadRequest): Promise<UploadResult> {
		checkContentLength(request.headers, this.#limits.bytesMax)
		if (this.#count >= (this.#options.uploadsMax ?? UPLOADS_MAX)) {
			throw unavailable('overloaded', 'Too many uploads are under way.', RETRY_AFTER_SECONDS)
		}
		this.#count++
		const names = new NameLock(this.#writers)
		let staged: StagedRun | undefined
		try {
			staged = await StagedRun.create(this.#options.store.directory)
			return await this.#store(staged, names, request)
		} catch (error) {
			const apiError = toApiError(error)
			const code = errorCode(apiError.cause) || apiError.code
			this.#options.log('warn', `upload${names.description} failed: ${apiError.message} (${code})`)
			throw apiError
		} finally {
			await staged?.remove()
			names.release()
			this.#count--
		}
	}

	async #store(staged: StagedRun, names: NameLock, request: UploadRequest): Promise<UploadResult> {
		const { store, verify, log, durationMsMax = DURATION_MS_MAX } = this.#options
		const { headers } = request
		const signal = AbortSignal.any([request.signal, AbortSignal.timeout(durationMsMax)])
		const body = readBody(request.body, contentEncoding(headers), this.#limits, signal)
		const fields = headerFields(headers)
		const hash = new Bun.CryptoHasher('sha256')
		const { name, step, config, metrics } =
			fields === null
				? await receiveJson(staged, names, body, hash)
				: await receiveBare(staged, names, body, hash, fields)
		const sha256 = hash.digest('hex')
		if (!(await isRunOrFree(store.directory, name))) {
			throw conflict(`The name '${name}' is taken by something that is not a run.`, 60)
		}

		const info = await verify(staged.pathOf(STAGED_CHECKPOINT))
		await staged.renameFile(STAGED_CHECKPOINT, checkpointName(step))
		await staged.writeFile(CONFIG, config)
		if (metrics !== null) await staged.writeFile(METRICS, metrics)
		if (await holdsSameFiles(store.directory, name, staged)) {
			return { name, step, sha256, isNew: false }
		}
		await store.replace(name, { step, info }, () => staged.commit(name))
		const served = store.find(name)?.step
		const note = served === step ? '' : `; the run goes on serving step ${served}`
		log('info', `upload of ${name}: step ${step} is stored, sha256 ${sha256}${note}`)
		return { name, step, sha256, isNew: true }
	}
}

/** One writer per run: holds the name of one upload. */
class NameLock {
	readonly #writers: Set<string>
	#name: string | null = null

	constructor(writers: Set<string>) {
		this.#writers = writers
	}

	acquire(name: string): void {
		if (this.#writers.has(name)) {
			throw conflict(`Another upload of '${name}' is under way.`, RETRY_AFTER_SECONDS)
		}
		this.#writers.add(name)
		this.#name = name
	}

	/** For the log: ` of NAME` where the name is known and valid. */
	get description(): string {
		return this.#name === null ? '' : ` of ${this.#name}`
	}

	release(): void {
		if (this.#name !== null) this.#writers.delete(this.#name)
	}
}

/** Receives a body that is the checkpoint itself. */
async function receiveBare(
	staged: StagedRun,
	names: NameLock,
	body: AsyncIterable<Uint8Array>,
	hash: Bun.CryptoHasher,
	fields: UploadFields,
): Promise<UploadFields> {
	names.acquire(fields.name)
	await using file = await staged.createFile(STAGED_CHECKPOINT)
	for await (const chunk of body) {
		hash.update(chunk)
		await file.write(chunk)
	}
	await file.sync()
	return fields
}

/** Receives `{name, config, checkpoint, step, metrics?}`: the checkpoint's text goes to its file. */
async function receiveJson(
	staged: StagedRun,
	names: NameLock,
	body: AsyncIterable<Uint8Array>,
	hash: Bun.CryptoHasher,
): Promise<UploadFields> {
	await using files = new AsyncDisposableStack()
	const receiver = new JsonFields(staged, names, hash, files)
	const splitter = new JsonObjectSplitter()
	let isFirst = true
	for await (const chunk of body) {
		if (isFirst) refuseCompressed(chunk)
		isFirst = false
		for (const piece of parsing(() => splitter.push(chunk))) await receiver.take(piece)
	}
	if (isFirst) throw invalidJson('it is empty')
	parsing(() => splitter.end())
	return await receiver.finish()
}

class JsonFields {
	readonly #staged: StagedRun
	readonly #names: NameLock
	readonly #hash: Bun.CryptoHasher
	readonly #files: AsyncDisposableStack
	readonly #seen = new Set<string>()
	readonly #raw = new Map<string, Buffer>()
	/** The key whose value is arriving. */
	#key: string | null = null
	#name: string | null = null
	#checkpoint: StagedFile | null = null
	#metrics: StagedFile | null = null
	readonly #metricsText = new JsonStringDecoder()

	constructor(
		staged: StagedRun,
		names: NameLock,
		hash: Bun.CryptoHasher,
		files: AsyncDisposableStack,
	) {
		this.#staged = staged
		this.#names = names
		this.#hash = hash
		this.#files = files
	}

	async take({ key, bytes, isLast }: ValuePiece): Promise<void> {
		const isFirst = this.#key === null
		if (isFirst && this.#seen.has(key))
			throw invalidJson(`the key '${key.slice(0, 40)}' comes twice`)
		this.#seen.add(key)
		this.#key = isLast ? null : key
		switch (key) {
			case 'checkpoint':
				if (isFirst && !(await this.#beginCheckpoint(bytes))) return
				this.#hash.update(bytes)
				await this.#checkpoint?.write(bytes)
				return
			case 'metrics':
				await this.#takeMetrics(bytes, isFirst, isLast)
				return
			case 'name':
			case 'step':
			case 'config':
				this.#collect(key, bytes)
				if (key === 'name' && isLast) {
					this.#name = checkName(this.#parse('name'))
					this.#names.acquire(this.#name)
				}
				return
			default:
				// Unknown fields, such as trainingData, are not ours to store.
				return
		}
	}

	/** Checks that everything has come and syncs the files. */
	async finish(): Promise<UploadFields> {
		const name = checkName(this.#name)
		const config = checkConfig(this.#parse('config'))
		if (this.#checkpoint === null) throw missingParameter('checkpoint')
		const step = checkStep(this.#parse('step'))
		await this.#checkpoint.sync()
		await this.#metrics?.sync()
		// The metrics are in their file already.
		return { name, step, config, metrics: null }
	}

	/** False for null, which counts as absent. */
	async #beginCheckpoint(bytes: Uint8Array): Promise<boolean> {
		if (isNullWord(bytes)) return false
		if (bytes[0] !== 0x7b) {
			throw invalidType('checkpoint', 'an object', Buffer.from(bytes.subarray(0, 40)).toString())
		}
		this.#checkpoint = this.#files.use(await this.#staged.createFile(STAGED_CHECKPOINT))
		return true
	}

	async #takeMetrics(bytes: Uint8Array, isFirst: boolean, isLast: boolean): Promise<void> {
		if (isFirst && isNullWord(bytes)) return
		if (isFirst) {
			if (bytes[0] !== 0x22) {
				throw invalidType('metrics', 'a string', Buffer.from(bytes.subarray(0, 40)).toString())
			}
			this.#metrics = this.#files.use(await this.#staged.createFile(METRICS))
		}
		const text = bytes.subarray(isFirst ? 1 : 0, isLast ? -1 : undefined)
		await this.#metrics?.write(parsing(() => this.#metricsText.push(text, isLast)))
	}

	#collect(key: keyof typeof FIELD_BYTES_MAX, bytes: Uint8Array): void {
		const raw = Buffer.concat([this.#raw.get(key) ?? Buffer.alloc(0), bytes])
		if (raw.length > FIELD_BYTES_MAX[key]) {
			throw invalidValue(key, `at most ${FIELD_BYTES_MAX[key]} bytes of JSON`, 'more')
		}
		this.#raw.set(key, raw)
	}

	#parse(key: keyof typeof FIELD_BYTES_MAX): unknown {
		const raw = this.#raw.get(key)
		return raw === undefined ? undefined : parsing(() => JSON.parse(raw.toString('utf8')))
	}
}

function isNullWord(bytes: Uint8Array): boolean {
	return bytes[0] === 0x6e
}

/** Compressed bytes without the header that says so deserve a better answer than "not JSON". */
function refuseCompressed(chunk: Uint8Array): void {
	const isGzip = chunk[0] === 0x1f && chunk[1] === 0x8b
	const isZstd = chunk[0] === 0x28 && chunk[1] === 0xb5
	if (!isGzip && !isZstd) return
	throw invalidJson(
		`it looks like ${isGzip ? 'gzip' : 'zstd'}, but Content-Encoding does not say so`,
	)
}

/** Runs a parser of the body; its errors are the sender's. */
function parsing<T>(parse: () => T): T {
	try {
		return parse()
	} catch (error) {
		if (error instanceof JsonSyntaxError) throw invalidJson(error.message)
		if (error instanceof SyntaxError) throw invalidJson('a value is not valid JSON')
		throw error
	}
}

/** True when the run already holds every staged file, byte for byte. */
async function holdsSameFiles(root: string, name: string, staged: StagedRun): Promise<boolean> {
	for (const file of staged.files) {
		if (!(await isSameFile(staged.pathOf(file), join(root, name, file)))) return false
	}
	return true
}

async function isSameFile(a: string, b: string): Promise<boolean> {
	const [statA, statB] = await Promise.all([lstat(a), lstat(b).catch(() => null)])
	if (statB === null || !statB.isFile() || statA.size !== statB.size) return false
	const [hashA, hashB] = [await hashFile(a), await hashFile(b).catch(() => null)]
	return hashA === hashB
}

async function hashFile(path: string): Promise<string> {
	const hash = new Bun.CryptoHasher('sha256')
	for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
	return hash.digest('hex')
}

/** What the sender is told; the system's own words stay in `cause`. */
function toApiError(error: unknown): ApiError {
	if (error instanceof ApiError) return error
	if (error instanceof Error && 'fault' in error && error.fault === 'invalid') {
		return invalidCheckpoint(error.message, error)
	}
	switch (errorCode(error)) {
		case 'ENOSPC':
		case 'EDQUOT':
		case 'EFBIG':
			return insufficientStorage(error)
		case 'EROFS':
		case 'EACCES':
		case 'EPERM':
			return storageUnavailable('The checkpoints directory is read-only.', 60, error)
		case 'EMFILE':
		case 'ENFILE':
		case 'ENOMEM':
			return storageUnavailable('The server is short of resources.', RETRY_AFTER_SECONDS, error)
		default:
			return internalError(error)
	}
}
