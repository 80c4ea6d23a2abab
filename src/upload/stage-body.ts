/*
 * An upload's body into staged files: the bare checkpoint, or the JSON object that carries it.
 */

import { TRAINING_LOG_NAME } from '../checkpoint/store/names.ts'
import { CONFIG_BYTES_MAX } from '../checkpoint/store/run-config.ts'
import { Fault } from '../lib/fault.ts'
import { invalidJson, invalidKind, invalidValue, missingParameter } from '../wire/errors.ts'
import { JsonObjectSplitter, JsonSyntaxError, type ValuePiece } from './json-object-splitter.ts'
import { JsonStringDecoder } from './json-string-decoder.ts'
import type { StagedFile, StagedRun } from './staging.ts'
import { checkConfig, checkName, checkStep, type UploadFields } from './upload-fields.ts'

/** What a sender of a busy name, or of too many, may wait before trying again. */
export const RETRY_SECONDS = 2

/** Name of the staged checkpoint until its step is known. */
export const STAGED_CHECKPOINT = 'checkpoint'

/** Longest raw JSON of the fields that are held in memory. */
const FIELD_BYTES_MAX = { name: 4096, step: 64, config: CONFIG_BYTES_MAX } as const

/** How much of a key an error message shows. */
const SHOWN_KEY_LENGTH_MAX = 40

/** Where a body goes. */
export interface Reception {
	readonly staged: StagedRun
	/** Takes the run's name as soon as it is known. */
	readonly lock: NameLock
	/** Of the checkpoint's bytes. */
	readonly hash: Bun.CryptoHasher
}

/** One writer per run: holds the name of one upload. */
export class NameLock {
	readonly #writers: Set<string>
	#name: string | null = null

	constructor(writers: Set<string>) {
		this.#writers = writers
	}

	acquire(name: string): void {
		if (this.#writers.has(name)) {
			throw new Fault('conflict', `Another upload of '${name}' is under way.`, {
				retrySeconds: RETRY_SECONDS,
			})
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

/** Receives a body that is the checkpoint itself; on disk when this resolves. */
export async function stageCheckpointBody(
	{ staged, lock, hash }: Reception,
	body: AsyncIterable<Uint8Array>,
	fields: UploadFields,
): Promise<UploadFields> {
	lock.acquire(fields.name)
	await using file = await staged.createFile(STAGED_CHECKPOINT)
	for await (const chunk of body) {
		hash.update(chunk)
		await file.write(chunk)
	}
	await file.sync()
	return fields
}

/** Receives `{name, config, checkpoint, step, metrics?}`; on disk when this resolves. */
export async function stageJsonBody(
	reception: Reception,
	body: AsyncIterable<Uint8Array>,
): Promise<UploadFields> {
	await using files = new AsyncDisposableStack()
	const fields = new JsonFields(reception, files)
	const splitter = new JsonObjectSplitter()
	let isFirst = true
	for await (const chunk of body) {
		if (isFirst) refuseCompressed(chunk)
		isFirst = false
		for (const piece of parsing(() => splitter.push(chunk))) await fields.take(piece)
	}
	if (isFirst) throw invalidJson('it is empty')
	parsing(() => splitter.end())
	return await fields.finish()
}

class JsonFields {
	readonly #reception: Reception
	readonly #files: AsyncDisposableStack
	readonly #seen = new Set<string>()
	readonly #raw = new Map<string, Buffer>()
	/** The key whose value is arriving. */
	#key: string | null = null
	#name: string | null = null
	#checkpoint: StagedFile | null = null
	#trainingLog: StagedFile | null = null
	readonly #trainingLogText = new JsonStringDecoder()

	/** Files that it opens belong to `files`. */
	constructor(reception: Reception, files: AsyncDisposableStack) {
		this.#reception = reception
		this.#files = files
	}

	async take({ key, bytes, isLast }: ValuePiece): Promise<void> {
		const isFirst = this.#key === null
		if (isFirst && this.#seen.has(key)) {
			throw invalidJson(`the key '${key.slice(0, SHOWN_KEY_LENGTH_MAX)}' comes twice`)
		}
		this.#seen.add(key)
		this.#key = isLast ? null : key
		switch (key) {
			case 'checkpoint':
				if (isFirst && !(await this.#beginCheckpoint(bytes))) return
				this.#reception.hash.update(bytes)
				await this.#checkpoint?.write(bytes)
				return
			case 'metrics':
				await this.#takeTrainingLog(bytes, isFirst, isLast)
				return
			case 'name':
			case 'step':
			case 'config':
				this.#collect(key, bytes)
				if (key === 'name' && isLast) {
					this.#name = checkName(this.#parse('name'))
					this.#reception.lock.acquire(this.#name)
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
		await this.#trainingLog?.sync()
		// The training log is in its file already.
		return { name, step, config, trainingLog: null }
	}

	/** False for null, which counts as absent. */
	async #beginCheckpoint(bytes: Uint8Array): Promise<boolean> {
		if (isNullWord(bytes)) return false
		if (bytes[0] !== 0x7b) {
			throw invalidKind('checkpoint', 'an object', kindOf(bytes))
		}
		this.#checkpoint = this.#files.use(await this.#reception.staged.createFile(STAGED_CHECKPOINT))
		return true
	}

	async #takeTrainingLog(bytes: Uint8Array, isFirst: boolean, isLast: boolean): Promise<void> {
		if (isFirst && isNullWord(bytes)) return
		if (isFirst) {
			if (bytes[0] !== 0x22) {
				throw invalidKind('metrics', 'a string', kindOf(bytes))
			}
			this.#trainingLog = this.#files.use(
				await this.#reception.staged.createFile(TRAINING_LOG_NAME),
			)
		}
		const text = bytes.subarray(isFirst ? 1 : 0, isLast ? -1 : undefined)
		await this.#trainingLog?.write(parsing(() => this.#trainingLogText.push(text, isLast)))
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

/** What kind of value a JSON text begins. */
function kindOf([first = 0]: Uint8Array): string {
	switch (String.fromCharCode(first)) {
		case '{':
			return 'an object'
		case '[':
			return 'an array'
		case '"':
			return 'a string'
		case 't':
		case 'f':
			return 'a boolean'
		default:
			return 'a number'
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
