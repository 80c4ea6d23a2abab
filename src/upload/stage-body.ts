/*
 * An upload's body into staged files: the bare checkpoint, the JSON object that carries it, or what puts
 * its pieces together.
 */

import { TRAINING_LOG_NAME, TRAINING_TEXT_NAME } from '../checkpoint/store/names.ts'
import { CONFIG_BYTES_MAX } from '../checkpoint/store/run-config.ts'
import { Fault } from '../lib/fault.ts'
import { isRecord } from '../lib/json.ts'
import { runDirectoryName } from '../runs/run-name.ts'
import { missingParameter } from '../wire/errors.ts'
import { stageObject } from './stage-object.ts'
import type { StagedRun } from './staging.ts'
import {
	checkConfig,
	checkFileNames,
	checkName,
	checkPieceCount,
	checkRunId,
	checkStep,
	checkUploadId,
	type UploadFields,
} from './upload-fields.ts'

/** What a sender of a busy name, or of too many, may wait before trying again. */
export const RETRY_SECONDS = 2

/** Name of the staged checkpoint until its step is known. */
export const STAGED_CHECKPOINT = 'checkpoint'

/** Longest raw JSON of the fields that are held in memory. */
const FIELD_BYTES_MAX = { name: 4096, step: 64, config: CONFIG_BYTES_MAX }

/** Fields whose text becomes a file of the run. */
const TEXT_FILES = { metrics: TRAINING_LOG_NAME, trainingData: TRAINING_TEXT_NAME }

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

/** Receives the checkpoint itself; on disk when this resolves. */
export async function stageCheckpointBody(
	{ staged, hash }: Reception,
	body: AsyncIterable<Uint8Array>,
): Promise<void> {
	await using file = await staged.createFile(STAGED_CHECKPOINT)
	for await (const chunk of body) {
		hash.update(chunk)
		await file.write(chunk)
	}
	await file.sync()
}

/** Receives `{name, config, checkpoint, step, metrics?, trainingData?}`; on disk when this resolves. */
export async function stageJsonBody(
	{ staged, lock, hash }: Reception,
	body: AsyncIterable<Uint8Array>,
): Promise<UploadFields> {
	const { values, files } = await stageObject(staged, body, {
		values: FIELD_BYTES_MAX,
		texts: TEXT_FILES,
		objects: { checkpoint: STAGED_CHECKPOINT },
		onValue: (key, value) => key === 'name' && lock.acquire(checkName(value)),
		onObjectBytes: (bytes) => hash.update(bytes),
	})
	const name = checkName(values.get('name'))
	const config = checkConfig(values.get('config'))
	if (!files.has('checkpoint')) throw missingParameter('checkpoint')
	// The training log is in its file already.
	return { name, step: checkStep(values.get('step')), config, trainingLog: null }
}

/** What puts the pieces of a checkpoint together. */
export interface Assembly extends UploadFields {
	readonly type: 'checkpoint'
	readonly uploadId: string
	/** Pieces of the checkpoint. */
	readonly total: number
}

/** What makes a model of files that have come one by one. */
export interface ModelAssembly {
	readonly type: 'model'
	readonly uploadId: string
	readonly name: string
	/** Undefined: the model tells it, else 0. */
	readonly step: number | undefined
	readonly files: readonly string[]
}

/** Longest raw JSON of the list of a model's files, bytes. */
const FILES_BYTES_MAX = 2 ** 18

/**
 * Receives `{uploadId, name, step, totalChunks, config, metrics?, trainingData?}`, or with `files` and
 * without `totalChunks` and `config`, likewise.
 */
export async function stageAssemblyBody(
	{ staged, lock }: Reception,
	body: AsyncIterable<Uint8Array>,
): Promise<Assembly | ModelAssembly> {
	const { values } = await stageObject(staged, body, {
		values: { ...FIELD_BYTES_MAX, uploadId: 4096, totalChunks: 64, files: FILES_BYTES_MAX },
		texts: TEXT_FILES,
		objects: {},
		onValue: (key, value) => key === 'name' && lock.acquire(runDirectoryName(checkRunId(value))),
	})
	const runId = checkRunId(values.get('name'))
	const uploadId = checkUploadId(values.get('uploadId'))
	const files = values.get('files')
	if (files !== undefined) {
		const step = values.has('step') ? checkStep(values.get('step')) : undefined
		// No config of ours goes with it that could tell what else it is called.
		return { type: 'model', uploadId, name: checkName(runId), step, files: checkFileNames(files) }
	}
	const config = values.get('config')
	return {
		type: 'checkpoint',
		name: runDirectoryName(runId),
		uploadId,
		total: checkPieceCount(values.get('totalChunks')),
		step: checkStep(values.get('step')),
		// The run must be found by what its trainer calls it.
		config: checkConfig(isRecord(config) ? { runId, ...config } : config),
		trainingLog: null,
	}
}
