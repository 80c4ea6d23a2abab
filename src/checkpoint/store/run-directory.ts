/*
 * One run directory as it stands on disk: config.json, checkpoint-<step>.json, metrics.jsonl.
 * Everything is a matter of file names and stat; contents are read again only when a file has changed.
 * What cannot be read at the moment stays as it was known: only what is seen to be gone is gone.
 */

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../../lib/errors.ts'
import { isGgufName } from '../formats/gguf.ts'
import {
	type CheckpointVersion,
	isSeenAgain,
	lookAgain,
	weightsPathOf,
} from './checkpoint-version.ts'
import { findArrivalFault } from './completeness.ts'
import { type FileState, lookAt, NOT_FOLLOWED, namesIn, readSmallFile } from './files.ts'
import {
	findModelFiles,
	findNanochatModels,
	findStepModels,
	lookAtModel,
	type ModelFiles,
	type StepModel,
} from './model-files.ts'
import {
	CONFIG_NAME,
	checkpointName,
	stepOfName,
	TRAINER_STATE_NAME,
	TRAINING_LOG_NAME,
} from './names.ts'
import { hasSettled } from './rest.ts'
import { CONFIG_BYTES_MAX, parseRunConfig, type RunConfig } from './run-config.ts'
import { readTrainerState, type TrainerState } from './trainer-state.ts'
import { readLastLoss } from './training-log.ts'

/** What is in a run directory. The object stays the same while nothing changes. */
export interface RunDirectory {
	readonly name: string
	/** null: config.json has not arrived. A string says what is wrong with it. */
	readonly config: RunConfig | string | null
	readonly lastLoss: number | null
	/** What Hugging Face's Trainer tells of the training, where it and no training log does. */
	readonly trainerState: TrainerState | null
	/** By step, ascending. */
	readonly checkpoints: readonly CheckpointVersion[]
	/** Entries that have a checkpoint's name but are no regular files, with the reason. */
	readonly strangers: readonly string[]
	/** What could not be looked at this time, and stays as it was known. */
	readonly unreadable: readonly string[]
	/** Some file changed a moment ago: look again after `SETTLE_MS`. */
	readonly isSettling: boolean
}

interface Cached<T> {
	readonly identity: string
	readonly value: T
}

/** Reads one run directory again and again, remembering what has not changed. */
export class RunReader {
	readonly name: string
	/** The checkpoints directory. */
	readonly #parent: string
	readonly #path: string
	#last: RunDirectory | null = null
	#config: Cached<RunConfig> | undefined
	/** A config that could not be read, and when it was first seen so. */
	#badConfig: Cached<number> | undefined
	#lastLoss: Cached<number | null> = { identity: '', value: null }
	/** Of the directory itself, and of its highest step directory. */
	#rootState: TrainerState | null = null
	#stepState: TrainerState | null = null
	/** What was told last of a training, for as long as it is the same. */
	#told: {
		readonly config: RunConfig
		readonly state: TrainerState
		readonly value: RunConfig
	} | null = null
	/** By file name. */
	#versions = new Map<string, CheckpointVersion>()

	constructor(directory: string, name: string) {
		this.name = name
		this.#parent = directory
		this.#path = join(directory, name)
	}

	/**
	 * Modification time of the highest step's file, epoch milliseconds: no run serves a newer one. Opens
	 * nothing; 0 for none.
	 */
	async glance(): Promise<number> {
		const names = await namesIn(this.#path)
		if (names.length === 0 && isGgufName(this.name)) {
			const state = await lookAt(this.#path)
			return state.type === 'file' ? state.mtimeMs : 0
		}
		const highest = names.reduce((best, name) => Math.max(best, stepOfName(name) ?? -1), -1)
		if (highest === -1) return await this.#glanceAtModel(names)
		const state = await lookAt(join(this.#path, checkpointName(highest)))
		return state.type === 'file' ? state.mtimeMs : 0
	}

	async #glanceAtModel(names: readonly string[]): Promise<number> {
		const own = findModelFiles(names)
		const highest = (await findStepModels(this.#path, names)).at(-1)
		const nanochat = (await findNanochatModels(this.#path, names)).at(-1)
		const weights = [
			...(own === null ? [] : [own.weights[0]!]),
			...(highest === undefined ? [] : [join(highest.name, highest.files.weights[0]!)]),
			...(nanochat === undefined ? [] : [nanochat.files.weights[0]!]),
		]
		const states = await Promise.all(weights.map((name) => lookAt(join(this.#path, name))))
		return Math.max(0, ...states.map((state) => (state.type === 'file' ? state.mtimeMs : 0)))
	}

	/**
	 * Looks at the directory. `resting` says that its files are known to be at rest, as after an
	 * upload of ours. Null when there is no run here: no directory, or neither config nor checkpoint
	 * in it.
	 */
	async read(resting: boolean): Promise<RunDirectory | null> {
		const file = isGgufName(this.name) ? await this.#readFile(resting) : null
		if (file !== null) return this.#keep(file)
		const names = await this.#list()
		if (names === 'linked') return unreadableRun(this.name, NOT_FOLLOWED)
		if (!Array.isArray(names)) return this.#keep(names)
		const candidates = names.flatMap((name) => {
			const step = stepOfName(name)
			return step === undefined ? [] : [{ name, step }]
		})
		const model = candidates.length === 0 ? await this.#readModel(names, resting) : null
		if (model !== null) return this.#keep(model)
		if (candidates.length === 0 && !names.includes(CONFIG_NAME)) return this.#keep(null)

		const versions = new Map<string, CheckpointVersion>()
		const strangers: string[] = []
		const unreadable: string[] = []
		for (const { name, step } of candidates) {
			const state = await lookAt(join(this.#path, name))
			const known = this.#versions.get(name)
			if (state.type === 'gone') continue
			if (state.type === 'unreadable') {
				unreadable.push(`${name}: ${state.reason}`)
				if (known !== undefined) versions.set(name, known)
			} else if (state.type === 'file') {
				versions.set(name, await this.#version(name, step, state, resting))
			} else {
				const reason = state.type === 'link' ? NOT_FOLLOWED : 'expected a regular file'
				strangers.push(`${name}: ${reason}`)
			}
		}
		this.#versions = versions
		const checkpoints = oneByStep(versions)
		const config = await this.#readConfig(resting)
		if (config.unreadable !== undefined) unreadable.push(config.unreadable)
		return this.#keep({
			name: this.name,
			config: config.config,
			lastLoss: (await this.#readLastLoss()) ?? null,
			trainerState: null,
			checkpoints,
			strangers,
			unreadable,
			isSettling: areSettling(checkpoints) || config.isSettling === true,
		})
	}

	/** A model in one file, which is not in a directory of its own; null when none is here. */
	async #readFile(resting: boolean): Promise<RunDirectory | null> {
		const known = this.#last?.checkpoints[0]
		const files = { weights: [this.name], others: [], companions: [], needsConfig: false }
		const seen = await lookAtModel(this.#parent, files, { step: 0, resting, known })
		if (seen === null) return null
		return {
			name: this.name,
			config: NO_CONFIG,
			lastLoss: null,
			trainerState: null,
			checkpoints: [seen],
			strangers: [],
			unreadable: [],
			isSettling: seen.isSettling,
		}
	}

	/**
	 * What another trainer's tools have put here: one model, and one in each of several step directories.
	 * The one in the directory itself is the end of the training: it is of the step that the state beside
	 * it tells, else of the highest, and stands for that step.
	 */
	async #readModel(names: readonly string[], resting: boolean): Promise<RunDirectory | null> {
		const own = findModelFiles(names)
		const steps = await findStepModels(this.#path, names)
		await this.#readTrainerStates(names, steps)
		const places: { path: string; step: number; files: ModelFiles }[] = []
		const ownStep = this.#rootState?.globalStep ?? steps.at(-1)?.step ?? 0
		if (own !== null) places.push({ path: this.#path, step: ownStep, files: own })
		for (const { name, step, files } of steps) {
			if (own !== null && step === ownStep) continue
			places.push({ path: join(this.#path, name), step, files })
		}
		if (places.length === 0) {
			for (const { step, files } of await findNanochatModels(this.#path, names)) {
				places.push({ path: this.#path, step, files })
			}
		}
		if (places.length === 0) return null
		const checkpoints: CheckpointVersion[] = []
		for (const { path, step, files } of places) {
			const place = weightsPathOf({ path, files: files.weights })
			const known = this.#last?.checkpoints.find((version) => weightsPathOf(version) === place)
			const seen = await lookAtModel(path, files, { step, resting, known })
			if (seen !== null) checkpoints.push(seen)
		}
		const needsConfig = own?.needsConfig ?? false
		const config = needsConfig ? await this.#readConfig(resting) : { config: NO_CONFIG }
		const logged = await this.#readLastLoss()
		const state = logged === undefined ? this.#newestState() : null
		return {
			name: this.name,
			config: this.#withSettings(config.config, state),
			lastLoss: logged ?? state?.lastLoss ?? null,
			trainerState: state,
			checkpoints: checkpoints.sort((a, b) => a.step - b.step),
			strangers: [],
			unreadable: config.unreadable === undefined ? [] : [config.unreadable],
			isSettling: areSettling(checkpoints) || config.isSettling === true,
		}
	}

	/** Each state tells the whole training up to its step. */
	async #readTrainerStates(names: readonly string[], steps: readonly StepModel[]): Promise<void> {
		const isInRoot = names.includes(TRAINER_STATE_NAME)
		this.#rootState = isInRoot ? await readTrainerState(this.#path, this.#rootState) : null
		const highest = steps.findLast(({ hasTrainerState }) => hasTrainerState)
		this.#stepState =
			highest === undefined
				? null
				: await readTrainerState(join(this.#path, highest.name), this.#stepState)
	}

	/** That of the directory itself also tells how the training ended. */
	#newestState(): TrainerState | null {
		const [root, step] = [this.#rootState, this.#stepState]
		return root !== null && root.globalStep >= (step?.globalStep ?? 0) ? root : step
	}

	/** The config, with the settings of the training that a state tells. The same object for the same. */
	#withSettings(config: ConfigLook['config'], state: TrainerState | null): ConfigLook['config'] {
		if (config === null || typeof config === 'string' || state === null) return config
		if (this.#told?.config === config && this.#told.state === state) return this.#told.value
		const { maxSteps, batchSize } = state
		const trainConfig = {
			...(maxSteps === null ? {} : { iters: maxSteps }),
			...(batchSize === null ? {} : { batchSize }),
			...config.trainConfig,
		}
		const value = { ...config, trainConfig }
		this.#told = { config, state, value }
		return value
	}

	/** Remembers what was seen, as the same object where it is the same. A string is why nothing was. */
	#keep(seen: RunDirectory | string | null): RunDirectory | null {
		const last = this.#last
		if (typeof seen === 'string') {
			return last === null ? unreadableRun(this.name, seen) : { ...last, unreadable: [seen] }
		}
		if (seen === null || last === null || !isSameDirectory(seen, last)) this.#last = seen
		return this.#last
	}

	/** Names in the directory; null when it has gone, `linked`, or why it cannot be read. */
	async #list(): Promise<string[] | string | null> {
		const state = await lookAt(this.#path)
		if (state.type === 'unreadable') return `the directory ${state.reason}`
		if (state.type === 'link')
			return isGgufName(this.name) || (await isDirectory(this.#path)) ? 'linked' : null
		if (state.type !== 'directory') return null
		try {
			return await readdir(this.#path)
		} catch (error) {
			const code = errorCode(error)
			return code === 'ENOENT' ? null : `the directory cannot be read (${code})`
		}
	}

	async #version(
		name: string,
		step: number,
		state: FileState,
		resting: boolean,
	): Promise<CheckpointVersion> {
		const known = this.#versions.get(name)
		const { identity, sizeBytes, mtimeMs } = state
		const path = join(this.#path, name)
		const seen = { step, path, files: null, identity, sizeBytes, mtimeMs }
		// While a file may still change, what was found in it may be outdated: look again.
		if (isSeenAgain(known, seen) && known.fault?.kind !== 'incomplete') return known
		return lookAgain(seen, known, {
			hasSettled: (since) => resting || hasSettled(state, since),
			findArrivalFault: (rewrittenRestMs) => findArrivalFault(path, identity, rewrittenRestMs),
		})
	}

	/** The config; while its file is being written or cannot be read, the last one that was whole. */
	async #readConfig(resting: boolean): Promise<ConfigLook> {
		const path = join(this.#path, CONFIG_NAME)
		const state = await lookAt(path)
		const known = this.#config
		if (state.type === 'gone') return { config: null }
		if (state.type === 'unreadable') return keptConfig(known?.value, state.reason)
		if (state.type !== 'file') {
			const reason = state.type === 'link' ? NOT_FOLLOWED : 'expected a regular file'
			return { config: `${CONFIG_NAME}: ${reason}` }
		}
		const { identity } = state
		if (known?.identity === identity) return { config: known.value }
		let config: RunConfig | string
		try {
			config = await readRunConfig(path)
		} catch (error) {
			return keptConfig(known?.value, `cannot be read (${errorCode(error)})`)
		}
		if (typeof config !== 'string') {
			this.#config = { identity, value: config }
			return { config }
		}
		// What makes no sense is looked at again each time: the reason may be the moment.
		if (this.#badConfig?.identity !== identity) {
			this.#badConfig = { identity, value: performance.now() }
		}
		if (resting || hasSettled(state, this.#badConfig.value)) return { config }
		return { config: known?.value ?? null, isSettling: true }
	}

	/** Undefined where there is no training log. */
	async #readLastLoss(): Promise<number | null | undefined> {
		const path = join(this.#path, TRAINING_LOG_NAME)
		const state = await lookAt(path)
		if (state.type !== 'file' && state.type !== 'unreadable') return undefined
		if (state.type === 'file' && this.#lastLoss.identity !== state.identity) {
			const value = await readLastLoss(path)
			if (value !== undefined) this.#lastLoss = { identity: state.identity, value }
		}
		return this.#lastLoss.value
	}
}

/** Of models whose configuration stands elsewhere than in config.json. */
const NO_CONFIG: RunConfig = { modelConfig: {}, trainConfig: {}, domain: null, runId: null }

function unreadableRun(name: string, reason: string): RunDirectory {
	return {
		name,
		config: reason,
		lastLoss: null,
		trainerState: null,
		checkpoints: [],
		strangers: [],
		unreadable: [],
		isSettling: false,
	}
}

interface ConfigLook {
	readonly config: RunDirectory['config']
	readonly isSettling?: true
	readonly unreadable?: string
}

function keptConfig(known: RunConfig | undefined, reason: string): ConfigLook {
	return { config: known ?? null, unreadable: `${CONFIG_NAME}: ${reason}` }
}

function isSameDirectory(a: RunDirectory, b: RunDirectory): boolean {
	return (
		a.config === b.config &&
		a.lastLoss === b.lastLoss &&
		a.trainerState === b.trainerState &&
		a.isSettling === b.isSettling &&
		isSameList(a.checkpoints, b.checkpoints) &&
		isSameList(a.strangers, b.strangers) &&
		isSameList(a.unreadable, b.unreadable)
	)
}

/** True for lists of the very same items. */
export function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
	return a.length === b.length && a.every((item, i) => item === b[i])
}

function areSettling(checkpoints: readonly CheckpointVersion[]): boolean {
	return checkpoints.some(({ isSettling }) => isSettling)
}

/** Two names can mean one step (`007`, `7`): the one without leading zeros counts. */
function oneByStep(versions: ReadonlyMap<string, CheckpointVersion>): readonly CheckpointVersion[] {
	const bySteps = new Map<number, CheckpointVersion>()
	for (const [name, version] of versions) {
		if (!bySteps.has(version.step) || name === checkpointName(version.step)) {
			bySteps.set(version.step, version)
		}
	}
	return [...bySteps.values()].sort((a, b) => a.step - b.step)
}

/** Throws what the system throws when the moment is to blame. */
async function readRunConfig(path: string): Promise<RunConfig | string> {
	try {
		return parseRunConfig((await readSmallFile(path, CONFIG_BYTES_MAX)).toString('utf8'))
	} catch (error) {
		const code = errorCode(error)
		if (code === 'ELOOP') return `${CONFIG_NAME}: ${NOT_FOLLOWED}`
		if (code === '') return `${CONFIG_NAME}: cannot be read (not a small regular file)`
		throw error
	}
}

/** Follows links. */
async function isDirectory(path: string): Promise<boolean> {
	return await stat(path).then(
		(target) => target.isDirectory(),
		() => false,
	)
}
