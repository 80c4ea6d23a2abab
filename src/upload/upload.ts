/*
 * Uploads behind their authorisation: the body, or the pieces that came before, stream to disk while
 * they are inflated, taken apart and hashed; the loader that serves verifies the file; then it moves into its run at once.
 * Memory is constant, nothing is visible before it is whole, and a failure leaves nothing behind.
 */
import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CheckpointInfo } from '../checkpoint/load/checkpoint-info.ts'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import {
	CONFIG_NAME,
	checkpointName,
	stepDirectoryName,
	TRAINING_LOG_NAME,
} from '../checkpoint/store/names.ts'
import type { CheckpointStore } from '../checkpoint/store/store.ts'
import { errorCode, stackOf } from '../lib/errors.ts'
import { Fault, isFault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import { storageFault } from '../lib/storage-fault.ts'
import { ApiError, pickleRefused } from '../wire/errors.ts'
import { PieceStore } from './pieces.ts'
import { type BodyLimits, readBody, readInflated } from './read-body.ts'
import {
	type Assembly,
	type ModelAssembly,
	NameLock,
	RETRY_SECONDS,
	type Reception,
	STAGED_CHECKPOINT,
	stageAssemblyBody,
	stageCheckpointBody,
	stageJsonBody,
} from './stage-body.ts'
import {
	adoptFile,
	checkModelFiles,
	expectFittingRun,
	isPickle,
	locateModel,
	STAGED_MODEL,
	stepToldIn,
} from './stage-model.ts'
import { isRunOrFree, recoverUploads, StagedRun } from './staging.ts'
import {
	checkContentLength,
	checkName,
	checkStep,
	contentEncoding,
	headerFields,
	modelFileAddress,
	type PieceAddress,
	pieceAddress,
	stepHeader,
	type UploadFields,
} from './upload-fields.ts'

/** An upload whose sender is authorised; nothing of the body has been read. */
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

/** A file of a model that is stored until the others have come. */
export interface FileReceipt {
	readonly file: string
}

/** A piece that is stored, and how many of its upload's are. */
export interface PieceReceipt extends PieceAddress {
	readonly received: number
}

export interface UploadOptions extends Omit<BodyLimits, 'stallMs'> {
	readonly stallMs?: number
	readonly store: CheckpointStore
	/** Verifies a checkpoint to its last number. Rejects with Fault. */
	readonly verify: (location: CheckpointLocation) => Promise<CheckpointInfo>
	/** Models may come as pickles, which are read but never run. */
	readonly allowsPickles?: boolean
	readonly log: Log
	/** Wraps the move of staged files into run `name`, for instance to keep others from writing there. */
	readonly commit?: (name: string, staged: StagedRun, move: () => Promise<void>) => Promise<void>
	/** Uploads that may be under way at once. */
	readonly uploadsMax?: number
	/** Longest time an upload may take, milliseconds. */
	readonly durationMsMax?: number
	/** Time between looks at what servers on the same directory have left when they died, milliseconds. */
	readonly recoveryMs?: number
}

/**
 * Finishes or sweeps uploads that a crash has interrupted, and says so in the log; of what cannot be
 * finished once for each run that is not in `told`. To be called before the directory is first scanned.
 * Never fails.
 */
export async function recoverInterruptedUploads(
	directory: string,
	log: Log,
	told = new Set<string>(),
): Promise<void> {
	const { finished, unfinished } = await recoverUploads(directory)
	for (const name of finished) log('info', `run ${name}: an interrupted upload was finished`)
	for (const name of unfinished) {
		if (told.has(name)) continue
		told.add(name)
		const problem = 'an interrupted upload cannot be finished, its files may be mixed'
		log('warn', `run ${name}: ${problem}`)
	}
}

const UPLOADS_MAX = 16
/** Largest piece. */
const PIECE_BYTES_MAX = 2 ** 26
/** Largest body that puts pieces together: it carries all metrics. */
const ASSEMBLY_BYTES_MAX = 2 ** 29
/** Unfinished uploads that may be there at once, if each were as large as one may be. */
const UNFINISHED_MAX = 4
/** Until somebody has repaired what stands in the way. */
const REPAIR_SECONDS = 60
const DURATION_MS_MAX = 3_600_000
const RECOVERY_MS = 10_000
const STALL_MS = 60_000

export class UploadReceiver {
	readonly #options: UploadOptions
	readonly #limits: BodyLimits
	readonly #pieces: PieceStore
	#count = 0
	/** Runs that somebody is uploading. */
	readonly #writers = new Set<string>()
	/** Runs of which the log knows that their upload cannot be finished. */
	readonly #unfinished = new Set<string>()
	readonly #recovery: Timer

	constructor(options: UploadOptions) {
		this.#options = options
		const { bytesMax, inflatedBytesMax, stallMs = STALL_MS, store, log } = options
		this.#recovery = setInterval(() => {
			void recoverInterruptedUploads(store.directory, log, this.#unfinished)
		}, options.recoveryMs ?? RECOVERY_MS)
		this.#recovery.unref()
		this.#limits = { bytesMax, inflatedBytesMax, stallMs }
		const totalBytesMax = UNFINISHED_MAX * bytesMax
		this.#pieces = new PieceStore({ directory: store.directory, bytesMax, totalBytesMax, log })
	}

	/**
	 * Stores a checkpoint, or a model that is one file; when this resolves, it is served. A file of a model
	 * of several is on disk then. Throws ApiError for what is wrong with the request and Fault for what is
	 * wrong with the checkpoint or the disk.
	 */
	async receive(request: UploadRequest): Promise<UploadResult | FileReceipt> {
		const { headers } = request
		// Whatever the body turns out to be, a step that is none is a mistake.
		if (headers.has('x-checkpoint-step')) checkStep(stepHeader(headers))
		const address = modelFileAddress(headers)
		if (address !== null) {
			this.#expectAllowed([address.file])
			const { file, uploadId } = address
			if (uploadId !== null) return this.#receiveFile(request, { file, uploadId })
			return this.#receiveModel(request, file)
		}
		return this.#admit(this.#limits, request, async (reception, body) => {
			const fields = headerFields(request.headers)
			if (fields === null) return this.#store(reception, await stageJsonBody(reception, body))
			reception.lock.acquire(fields.name)
			await stageCheckpointBody(reception, body)
			return this.#store(reception, fields)
		})
	}

	/**
	 * Stores a piece of a checkpoint; it is on disk when this resolves with the number of pieces that are
	 * there. Throws ApiError and Fault.
	 */
	async receivePiece(request: UploadRequest): Promise<PieceReceipt> {
		const { headers, signal } = request
		const address = pieceAddress(headers)
		checkContentLength(headers, PIECE_BYTES_MAX)
		const limits = { ...this.#limits, bytesMax: PIECE_BYTES_MAX }
		const body = readBody(request.body, 'identity', limits, signal)
		try {
			await this.#options.store.expectThere()
			const received = await this.#pieces.put(address.uploadId, address.index, body)
			return { ...address, received: received ?? address.total }
		} catch (error) {
			throw await this.#told(error, ' of a piece')
		}
	}

	/** Stores a file of a model of several. */
	async #receiveFile(
		{ headers, body, signal }: UploadRequest,
		{ file, uploadId }: { readonly file: string; readonly uploadId: string },
	): Promise<FileReceipt> {
		checkContentLength(headers, this.#limits.bytesMax)
		const inflated = readBody(body, contentEncoding(headers), this.#limits, signal)
		try {
			await this.#options.store.expectThere()
			await this.#pieces.put(uploadId, file, inflated)
			return { file }
		} catch (error) {
			throw await this.#told(error, ` of ${file}`)
		}
	}

	/** Stores a model that is one file. */
	#receiveModel(request: UploadRequest, file: string): Promise<UploadResult> {
		return this.#admit(this.#limits, request, async (reception, body) => {
			const { headers } = request
			const name = checkName(headers.get('x-checkpoint-name'))
			const step = headers.has('x-checkpoint-step') ? checkStep(stepHeader(headers)) : undefined
			checkModelFiles([file])
			reception.lock.acquire(name)
			const uploadId = crypto.randomUUID()
			try {
				await this.#pieces.put(uploadId, file, body)
				return await this.#storeModel(reception, { uploadId, name, step, files: [file] })
			} finally {
				await this.#pieces.drop(uploadId)
			}
		})
	}

	#expectAllowed(files: readonly string[]): void {
		const pickle = files.find(isPickle)
		if (pickle !== undefined && this.#options.allowsPickles !== true) throw pickleRefused(pickle)
	}

	/**
	 * Puts pieces together to a checkpoint; when this resolves, it is served. Can be repeated when the
	 * answer was lost. Throws as `receive`.
	 */
	assemble(request: UploadRequest): Promise<UploadResult> {
		const limits = { ...this.#limits, bytesMax: ASSEMBLY_BYTES_MAX }
		return this.#admit(limits, request, async (reception, body) => {
			const assembly = await stageAssemblyBody(reception, body)
			const { uploadId, name, step } = assembly
			const finished = await this.#pieces.finished(uploadId)
			if (finished?.name === name && finished.step === (step ?? finished.step)) {
				return { ...finished, isNew: false }
			}
			const result =
				assembly.type === 'model'
					? await this.#storeModel(reception, assembly)
					: await this.#storePieces(reception, assembly)
			const { sha256 } = result
			await this.#pieces.finish(uploadId, { name, step: result.step, sha256 })
			return result
		})
	}

	async #storePieces(reception: Reception, assembly: Assembly): Promise<UploadResult> {
		const pieces = await this.#pieces.read(assembly.uploadId, assembly.total)
		await stageCheckpointBody(reception, readInflated(pieces, this.#limits.inflatedBytesMax))
		return this.#store(reception, assembly)
	}

	/** Counts an upload, gives it a place on disk and clears up behind it. */
	async #admit(
		limits: BodyLimits,
		request: UploadRequest,
		work: (reception: Reception, body: AsyncIterable<Uint8Array>) => Promise<UploadResult>,
	): Promise<UploadResult> {
		checkContentLength(request.headers, limits.bytesMax)
		if (this.#count >= (this.#options.uploadsMax ?? UPLOADS_MAX)) {
			throw new Fault('overloaded', 'Too many uploads are under way.', {
				retrySeconds: RETRY_SECONDS,
			})
		}
		this.#count++
		const lock = new NameLock(this.#writers)
		let staged: StagedRun | undefined
		try {
			const { store, durationMsMax = DURATION_MS_MAX } = this.#options
			const signal = AbortSignal.any([request.signal, AbortSignal.timeout(durationMsMax)])
			const encoding = contentEncoding(request.headers)
			await store.expectThere()
			staged = await StagedRun.create(store.directory)
			const hash = new Bun.CryptoHasher('sha256')
			return await work({ staged, lock, hash }, readBody(request.body, encoding, limits, signal))
		} catch (error) {
			throw await this.#told(error, lock.description)
		} finally {
			await staged?.remove()
			lock.release()
			this.#count--
		}
	}

	/** Runs `work` while nobody uploads to run `name`. Throws Fault. */
	async exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
		const lock = new NameLock(this.#writers)
		lock.acquire(name)
		try {
			return await work()
		} finally {
			lock.release()
		}
	}

	close(): void {
		clearInterval(this.#recovery)
		this.#pieces.close()
	}

	/** What the sender is told of a failure; the log is told, too. */
	async #told(error: unknown, what: string): Promise<ApiError | Fault> {
		const told = (await this.#directoryFault(error)) ?? toTold(error)
		const code = errorCode(told.cause) || ('code' in told ? told.code : told.kind)
		this.#options.log('warn', `upload${what} failed: ${told.message} (${code})`)
		return told
	}

	/** A directory that has gone meanwhile, which makes any call fail in its own way. */
	#directoryFault(error: unknown): Promise<Fault | null> {
		if (error instanceof ApiError) return Promise.resolve(null)
		return this.#options.store.expectThere().then(
			() => null,
			(fault: Fault) => fault,
		)
	}

	/** Verifies the checkpoint that has been staged and moves it into its run. */
	async #store({ staged, hash }: Reception, fields: UploadFields): Promise<UploadResult> {
		const { name, step, config, trainingLog } = fields
		const sha256 = hash.digest('hex')
		await this.#expectFree(name, 'checkpoint')
		const info = await this.#options.verify({
			type: 'file',
			path: staged.pathOf(STAGED_CHECKPOINT),
		})
		await staged.renameFile(STAGED_CHECKPOINT, checkpointName(step))
		await staged.writeFile(CONFIG_NAME, config)
		if (trainingLog !== null) await staged.writeFile(TRAINING_LOG_NAME, trainingLog)
		return this.#put(staged, info, { name, step, sha256 })
	}

	/** Makes a model of files that have come, verifies it and moves it into its run as a step. */
	async #storeModel(
		{ staged }: Reception,
		{ uploadId, name, step, files }: Omit<ModelAssembly, 'type'>,
	): Promise<UploadResult> {
		this.#expectAllowed(files)
		checkModelFiles(files)
		await this.#expectFree(name, 'model')
		const path = await staged.createDirectory(STAGED_MODEL)
		const hash = new Bun.CryptoHasher('sha256')
		for (const { file, path: from } of await this.#pieces.filesOf(uploadId, files)) {
			await adoptFile(from, join(path, file))
			hash.update(`${file} ${await hashFile(from)}\n`)
		}
		const info = await this.#options.verify(await locateModel(path))
		const ownStep = step ?? info.step ?? (await stepToldIn(path)) ?? 0
		await staged.renameFile(STAGED_MODEL, stepDirectoryName(ownStep))
		// From here on the files have one name: another one that goes would look like a change.
		await this.#pieces.release(uploadId)
		return this.#put(staged, info, { name, step: ownStep, sha256: hash.digest('hex') })
	}

	async #expectFree(name: string, kind: 'checkpoint' | 'model'): Promise<void> {
		const { directory } = this.#options.store
		if (!(await isRunOrFree(directory, name))) {
			const message = `The name '${name}' is taken by something that is not a run.`
			throw new Fault('conflict', message, { retrySeconds: REPAIR_SECONDS })
		}
		await expectFittingRun(directory, name, kind)
	}

	/** Moves what has been staged and verified into its run. */
	async #put(
		staged: StagedRun,
		info: CheckpointInfo,
		{ name, step, sha256 }: Omit<UploadResult, 'isNew'>,
	): Promise<UploadResult> {
		const { store, log, commit = (_name, _staged, move) => move() } = this.#options
		if (await holdsSameFiles(store.directory, name, staged)) {
			// Whoever put them there, this server may not have seen them yet.
			await store.replace(name, { step, info }, async () => {})
			return { name, step, sha256, isNew: false }
		}
		await store.replace(name, { step, info }, () => commit(name, staged, () => staged.commit(name)))
		const served = store.find(name)?.step
		const note = served === step ? '' : `; the run goes on serving step ${served}`
		log('info', `upload of ${name}: step ${step} is stored, sha256 ${sha256}${note}`)
		return { name, step, sha256, isNew: true }
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
	if (statA.isDirectory() && statB?.isDirectory()) return isSameDirectory(a, b)
	if (statB === null || !statB.isFile() || statA.size !== statB.size) return false
	const [hashA, hashB] = [await hashFile(a), await hashFile(b).catch(() => null)]
	return hashA === hashB
}

async function isSameDirectory(a: string, b: string): Promise<boolean> {
	const names = (await readdir(a)).sort()
	if (!Bun.deepEquals(names, (await readdir(b)).sort())) return false
	for (const name of names) {
		if (!(await isSameFile(join(a, name), join(b, name)))) return false
	}
	return true
}

async function hashFile(path: string): Promise<string> {
	const hash = new Bun.CryptoHasher('sha256')
	for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
	return hash.digest('hex')
}

/** What the sender is told; the system's own words stay in `cause`. */
function toTold(error: unknown): ApiError | Fault {
	if (error instanceof ApiError) return error
	if (isFault(error, 'invalid')) {
		const message = `The checkpoint cannot be served: ${error.message}.`
		return new Fault('invalid', message, { cause: error })
	}
	if (error instanceof Fault) return error
	return storageFault(error) ?? new Fault('bug', stackOf(error), { cause: error })
}
