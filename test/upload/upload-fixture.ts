/** An upload door over a fresh directory, as the server composes it, without HTTP. */
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { ModelDirectory } from '../../src/checkpoint/formats/model-directory.ts'
import { openCheckpoint, openDirectory } from '../../src/checkpoint/formats/open.ts'
import type { CheckpointLocation } from '../../src/checkpoint/load/messages.ts'
import { verifyCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { type CheckpointStore, openStore } from '../../src/checkpoint/store/store.ts'
import { toApiError } from '../../src/server/error-handler.ts'
import {
	type FileReceipt,
	recoverInterruptedUploads,
	type UploadOptions,
	UploadReceiver,
	type UploadResult,
} from '../../src/upload/upload.ts'
import type { ApiError } from '../../src/wire/errors.ts'
import { kernels } from '../checkpoint/read-checkpoint.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { type TinyCheckpoint, tinyCheckpoint, toJsonForm } from '../helpers/tiny-checkpoint.ts'

/** Verifies a checkpoint to its last number in this thread. */
export async function verifyHere(location: CheckpointLocation) {
	if (location.type === 'directory') {
		using directory = new ModelDirectory(location.path, location.files)
		return verifyCheckpoint(kernels, openDirectory(directory), 'f32')
	}
	if (location.type === 'memory') throw new Error('expected files')
	using source = openFileSource(location.path)
	return verifyCheckpoint(kernels, openCheckpoint(source), 'f32')
}

/** The documented JSON body; each field can be given as raw JSON, or left out with ''. */
export function jsonBody(fields: Readonly<Record<string, string>> = {}): Buffer {
	const all: Record<string, string> = {
		name: '"run"',
		config: '{"domain":"novels"}',
		checkpoint: toJsonForm(tinyCheckpoint()).toString(),
		step: '7',
		...fields,
	}
	const entries = Object.entries(all).filter(([, value]) => value !== '')
	return Buffer.from(`{${entries.map(([key, value]) => `"${key}":${value}`).join(',')}}`)
}

/** A checkpoint that carries `version` in its first weight. */
export function versioned(version: number): TinyCheckpoint {
	const checkpoint = tinyCheckpoint()
	;(checkpoint.tensors[0]?.data as number[])[0] = version
	return checkpoint
}

/** Bytes as they come from a socket, in pieces of `length`. */
export async function* inPieces(bytes: Uint8Array, length = 65_536): AsyncGenerator<Uint8Array> {
	for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

export class UploadDoor implements Disposable {
	readonly #temp: ReturnType<typeof tempDir> | null
	readonly path: string
	readonly log: string[] = []
	store!: CheckpointStore
	receiver!: UploadReceiver

	private constructor(path?: string) {
		this.#temp = path === undefined ? tempDir() : null
		this.path = path ?? join(this.#temp!.path, 'checkpoints')
		mkdirSync(this.path, { recursive: true })
	}

	static async open(options: Partial<UploadOptions> = {}): Promise<UploadDoor> {
		const door = new UploadDoor()
		await door.restart(options)
		return door
	}

	/** Another server on the directory of that one. */
	static async beside({ path }: UploadDoor): Promise<UploadDoor> {
		const door = new UploadDoor(path)
		await door.restart()
		return door
	}

	/** What a new process would have: another store and receiver over the same directory. */
	async restart(options: Partial<UploadOptions> = {}): Promise<void> {
		this.receiver?.close()
		this.store?.close()
		const log = (level: string, message: string) => void this.log.push(`${level} ${message}`)
		await recoverInterruptedUploads(this.path, log)
		this.store = await openStore({ directory: this.path, log, rescanMs: 60_000 })
		this.receiver = new UploadReceiver({
			store: this.store,
			verify: verifyHere,
			bytesMax: 2 ** 30,
			inflatedBytesMax: 2 ** 30,
			log,
			...options,
		})
	}

	/** Sends a body; what fails is returned as the server would tell it. */
	async send(
		body: Uint8Array | AsyncIterable<Uint8Array>,
		headers: Record<string, string> = {},
		signal: AbortSignal = new AbortController().signal,
	): Promise<UploadResult | FileReceipt | ApiError> {
		try {
			return await this.receiver.receive({
				headers: new Headers(headers),
				body: body instanceof Uint8Array ? inPieces(body) : body,
				signal,
			})
		} catch (error) {
			return toApiError(error)
		}
	}

	/** Sends one piece of an upload; what fails is returned likewise. */
	async sendPiece(
		bytes: Uint8Array,
		fields: { id?: string; index?: number | string; total?: number | string } = {},
	) {
		const { id = 'run_7_1', index = 0, total = 1 } = fields
		const headers = new Headers({
			'x-upload-id': id,
			'x-chunk-index': String(index),
			'x-total-chunks': String(total),
		})
		const { signal } = new AbortController()
		return this.receiver.receivePiece({ headers, body: inPieces(bytes), signal }).catch(toApiError)
	}

	/** Asks to put pieces together; fields are raw JSON, '' leaves one out. */
	async assemble(fields: Readonly<Record<string, string>> = {}) {
		const all: Record<string, string> = {
			uploadId: '"run_7_1"',
			name: '"run"',
			step: '7',
			totalChunks: '1',
			config: '{"domain":"novels"}',
			...fields,
		}
		const entries = Object.entries(all).filter(([, value]) => value !== '')
		const text = `{${entries.map(([key, value]) => `"${key}":${value}`).join(',')}}`
		const { signal } = new AbortController()
		return this.receiver
			.assemble({ headers: new Headers(), body: inPieces(Buffer.from(text)), signal })
			.catch(toApiError)
	}

	/** Paths of all files and directories, relative, sorted. */
	files(): string[] {
		return existsSync(this.path)
			? readdirSync(this.path, { recursive: true, encoding: 'utf8' }).sort()
			: []
	}

	[Symbol.dispose](): void {
		this.receiver.close()
		this.store.close()
		this.#temp?.[Symbol.dispose]()
	}
}
