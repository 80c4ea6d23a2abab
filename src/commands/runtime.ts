/*
 * The parts of a server without HTTP, put together from a configuration: kernels, engine, loader,
 * checkpoints directory, registry.
 */

import { Loader } from '../checkpoint/load/loader.ts'
import { locationOf } from '../checkpoint/store/checkpoint-version.ts'
import { InspectionIndex } from '../checkpoint/store/inspection-index.ts'
import { CheckpointStore } from '../checkpoint/store/store.ts'
import { Engine } from '../engine/engine.ts'
import { runnerBytes } from '../engine/memory.ts'
import type { RunnerLimits } from '../engine/messages.ts'
import { openKernels } from '../kernels/binding.ts'
import type { Log } from '../lib/log.ts'
import { builtinSource } from '../models/builtin.ts'
import { ModelRegistry } from '../models/registry.ts'
import { StoredRuns } from '../models/stored-runs.ts'
import { recoverInterruptedUploads } from '../upload/upload.ts'
import { type CommandContext, CommandError, exitStatus } from './command.ts'
import { lastLevelCacheBytes, ownHosts, readMachine } from './machine.ts'
import { kernelLibraryPath, openBuiltinModel } from './packaged-files.ts'
import { memoryBudgets } from './serving/memory-budgets.ts'
import { type Config, parseConfig } from './settings/config.ts'

/** Rows of a step that may read while others are decoding, unless more sequences run. */
const READING_ROWS_MAX = 64

/** Largest part of the model memory that one model's keys and values take. */
const KV_SHARE_MAX = 0.25

export type RuntimeConfig = Pick<
	Config,
	| 'checkpoints'
	| 'threads'
	| 'isa'
	| 'dtype'
	| 'embeddedModel'
	| 'modelMemoryBytes'
	| 'kvMemoryBytes'
	| 'batchTokensMax'
	| 'sequencesMax'
	| 'queueLengthMax'
	| 'queueSeconds'
> & {
	/** Where the instruction set was asked for. */
	readonly isaOrigin?: string
}

export interface Runtime extends AsyncDisposable {
	readonly isaName: string
	readonly engine: Engine
	readonly loader: Loader
	readonly store: CheckpointStore
	readonly catalog: ModelRegistry
}

/** What a command was told, and for all else what the server would do. */
export function withServeDefaults(values: Partial<Config>, context: CommandContext): Config {
	const { config: path } = values
	const argv = path === null || path === undefined ? [] : ['--config', path]
	const { values: defaults } = parseConfig({ ...context, argv }, readMachine(), ownHosts())
	return { ...defaults, ...values }
}

/** Starts everything. Throws UsageError for settings that this machine cannot honour. */
export async function startRuntime(
	config: RuntimeConfig,
	context: Pick<CommandContext, 'env' | 'version' | 'spawnEngineWorker' | 'spawnLoaderWorker'>,
	log: Log,
): Promise<Runtime> {
	const { checkpoints, threads, dtype } = config
	const libraryPath = kernelLibraryPath({ env: context.env, checkpoints })
	const kernels = openKernels(libraryPath)
	const isa = config.isa === 'auto' ? '' : config.isa
	if (kernels.select(isa) !== 0) {
		const runnable = kernels.isaList().filter((name) => kernels.isaSupported(name))
		const problem = `${config.isaOrigin ?? '--isa'}: expected ${runnable.join(' or ')} on this machine, got "${isa}"`
		throw new CommandError(exitStatus.unfit, problem)
	}
	const limits = runnerLimits(config)
	const loader = new Loader({ spawn: context.spawnLoaderWorker, libraryPath, isa })
	const store = new CheckpointStore({
		directory: checkpoints,
		log,
		index: new InspectionIndex(checkpoints, `${context.version} ${dtype}`),
		inspect: (version) => loader.inspect({ location: locationOf(version), dtype }),
	})
	// Nobody waits for it here: requests do, where they need the whole picture.
	void recoverInterruptedUploads(checkpoints, log).then(() => store.rescan())
	const [engine, builtin] = await Promise.all([
		Engine.start({
			worker: context.spawnEngineWorker(),
			kernels,
			libraryPath,
			isa,
			threads,
			limits,
			queueLengthMax: config.queueLengthMax,
			queueMsMax: config.queueSeconds * 1000,
			backlogBytesMax: memoryBudgets(readMachine().memoryBytes).backlogBytes,
			log,
		}),
		config.embeddedModel ? openBuiltinModel() : null,
	])
	// After those that compute were started, which would inherit it: sockets are answered while they work.
	kernels.shortTurns()
	const catalog = new ModelRegistry({
		sources:
			builtin === null ? [new StoredRuns(store)] : [new StoredRuns(store), builtinSource(builtin)],
		loader,
		engine,
		dtype,
		memoryBytesMax: config.modelMemoryBytes,
		runnerBytes: (info) => runnerBytes(kernels, info.config, info.dtype, limits),
		log,
	})
	return {
		isaName: kernels.isaName(),
		engine,
		loader,
		store,
		catalog,
		async [Symbol.asyncDispose]() {
			store.close()
			loader.close()
			engine.close()
		},
	}
}

function runnerLimits(config: RuntimeConfig): RunnerLimits {
	const { batchTokensMax, sequencesMax, modelMemoryBytes, kvMemoryBytes } = config
	return {
		rowsMax: batchTokensMax,
		sequencesMax,
		readingRowsMax: Math.min(READING_ROWS_MAX, batchTokensMax),
		kvBytesMax: Math.min(kvMemoryBytes, Math.floor(modelMemoryBytes * KV_SHARE_MAX)),
		guessing: { weightBytesMin: lastLevelCacheBytes(), costs: 'measured' },
	}
}
