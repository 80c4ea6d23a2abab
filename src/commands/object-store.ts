/* Where runs lie: in a directory of this machine, or in an object store with a copy here. */
import type { CheckpointStore } from '../checkpoint/store/store.ts'
import type { Log } from '../lib/log.ts'
import { ObjectStoreError } from '../remote/bucket.ts'
import { Mirror, type MirrorOptions } from '../remote/mirror.ts'
import { ObjectStore } from '../remote/object-store.ts'
import { RemoteRuns } from '../remote/remote-runs.ts'
import type { Config, ConfigOrigins } from './settings/config.ts'
import { UsageError } from './settings/option.ts'

type Env = Readonly<Record<string, string | undefined>>

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
export function openRemoteRuns(url: string, origin: string, env: Env): RemoteRuns {
	try {
		return new RemoteRuns(new ObjectStore({ url, env }))
	} catch (error) {
		if (!(error instanceof ObjectStoreError)) throw error
		throw new UsageError(`${origin}: ${error.message}`)
	}
}

/** Keeps the directory a copy of the store that `--checkpoints` names; null where it names a directory. */
export function createMirror(
	{ checkpoints }: Config,
	origins: ConfigOrigins,
	env: Env,
	options: Omit<MirrorOptions, 'runs'> & { readonly store: CheckpointStore; readonly log: Log },
): Mirror | null {
	if (!isStoreUrl(checkpoints)) return null
	return new Mirror({ runs: openRemoteRuns(checkpoints, origins.checkpoints, env), ...options })
}
