/* Where runs lie: in a directory of this machine, or in an object store with a copy here. */
import { isSafeName } from '../checkpoint/store/names.ts'
import { messageOf } from '../lib/errors.ts'
import { isFault } from '../lib/fault.ts'
import type { Log } from '../lib/log.ts'
import { ObjectStoreError } from '../remote/bucket.ts'
import { Mirror, type MirrorOptions } from '../remote/mirror.ts'
import { ObjectStore } from '../remote/object-store.ts'
import { RemoteRuns } from '../remote/remote-runs.ts'
import { type CommandContext, CommandError } from './command.ts'
import { type Runtime, type RuntimeConfig, startRuntime } from './runtime.ts'
import type { Config, ConfigOrigins } from './settings/config.ts'
import { UsageError } from './settings/option.ts'

type Sources = Pick<CommandContext, 'env' | 'readFile'>

export function isStoreUrl(checkpoints: string): boolean {
	return checkpoints.startsWith('s3://')
}

/** The directory on this machine: of the runs themselves, or of their copies. */
export function localDirectory({
	checkpoints,
	checkpointCache,
}: Pick<Config, 'checkpoints' | 'checkpointCache'>): string {
	return isStoreUrl(checkpoints) ? checkpointCache : checkpoints
}

/** Runs of the store at an address; `origin` is told with what is wrong. Throws UsageError. */
export function openRemoteRuns(
	url: string,
	origin: string,
	{ env, readFile }: Sources,
): RemoteRuns {
	try {
		return new RemoteRuns(new ObjectStore({ url, env, readFile }))
	} catch (error) {
		if (!(error instanceof ObjectStoreError)) throw error
		throw new UsageError(`${origin}: ${error.message}`)
	}
}

/** Keeps the directory a copy of the store that `--checkpoints` names; null where it names a directory. */
export function createMirror(
	{ checkpoints }: Config,
	origins: ConfigOrigins,
	sources: Sources,
	options: Omit<MirrorOptions, 'runs'>,
): Mirror | null {
	if (!isStoreUrl(checkpoints)) return null
	return new Mirror({ runs: openRemoteRuns(checkpoints, origins.checkpoints, sources), ...options })
}

/**
 * Starts what computes a model without a server. Of an object store the run of that model is brought
 * first; when the store is away, the copy that is here is used. Throws UsageError and CommandError.
 */
export async function startLocalRuntime(
	model: string,
	config: RuntimeConfig & Pick<Config, 'checkpointCache'>,
	context: CommandContext,
	log: Log,
): Promise<Runtime> {
	const { checkpoints } = config
	if (!isStoreUrl(checkpoints)) return await startRuntime(config, context, log)
	const runs = openRemoteRuns(checkpoints, '--checkpoints', context)
	const local = { ...config, checkpoints: localDirectory(config) }
	const runtime = await startRuntime(local, context, log)
	try {
		await bringRun(runs, model, config, runtime, context, log)
		return runtime
	} catch (error) {
		await runtime[Symbol.asyncDispose]()
		throw error
	}
}

/** Makes the copy of a model's run what the store has. */
async function bringRun(
	runs: RemoteRuns,
	model: string,
	{ dtype }: RuntimeConfig,
	{ store, loader }: Runtime,
	{ warn }: CommandContext,
	log: Log,
): Promise<void> {
	const [name = ''] = model.split('@')
	if (!isSafeName(name)) return
	const mirror = new Mirror({
		runs,
		store,
		verify: (location) => loader.verify({ location, dtype }),
		exclusively: (_name, work) => work(),
		commit: (_name, _staged, move) => move(),
		remove: async () => {},
		log,
	})
	try {
		await mirror.bring(name)
	} catch (error) {
		if (error instanceof ObjectStoreError) {
			warn(`alpha: object store: ${messageOf(error)}; what is here is used\n`)
			return
		}
		if (!isFault(error, 'invalid')) throw error
		throw new CommandError(1, `${name} in the object store cannot be served: ${error.message}`)
	}
}
