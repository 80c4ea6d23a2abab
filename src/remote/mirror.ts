/*
 * Keeps the checkpoints directory a copy of what an object store has: looks every few seconds, brings what
 * is new, verifies it as an upload and puts it into place whole. While the store cannot be reached,
 * everything that is here stays served.
 */
import { readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CheckpointInfo } from '../checkpoint/load/checkpoint-info.ts'
import type { CheckpointLocation } from '../checkpoint/load/messages.ts'
import { checkpointName, isSafeName, stepDirectoryName } from '../checkpoint/store/names.ts'
import type { CheckpointStore } from '../checkpoint/store/store.ts'
import { forEachAtOnce } from '../lib/at-once.ts'
import { errorCode, messageOf } from '../lib/errors.ts'
import { isFault } from '../lib/fault.ts'
import { isRecord } from '../lib/json.ts'
import type { Log } from '../lib/log.ts'
import { locateModel } from '../upload/stage-model.ts'
import { StagedRun } from '../upload/staging.ts'
import { ObjectStoreError } from './bucket.ts'
import { Downloads } from './downloads.ts'
import type { Head } from './head.ts'
import { describeFiles, type RemoteRuns } from './remote-runs.ts'

export interface MirrorOptions {
	readonly runs: RemoteRuns
	readonly store: CheckpointStore
	/** Verifies a checkpoint to its last number. Rejects with Fault. */
	readonly verify: (location: CheckpointLocation) => Promise<CheckpointInfo>
	/** Runs `work` while nobody uploads to the run. */
	readonly exclusively: <T>(name: string, work: () => Promise<T>) => Promise<T>
	/** Wraps the move of staged files into a run. */
	readonly commit: (name: string, staged: StagedRun, move: () => Promise<void>) => Promise<void>
	/** Takes a run out of this directory. */
	readonly remove: (name: string) => Promise<void>
	readonly log: Log
	/** From one look to the next, in milliseconds; a tenth more or less, so that replicas do not ask together. */
	readonly pollMs?: number
}

/** How the store is, for probes and metrics. */
export interface StoreState {
	readonly isReachable: boolean
	/** Why the last look failed; null when it did not. */
	readonly reason: string | null
	/** Since the last look that has succeeded; since the start when none has. */
	readonly secondsSinceContact: number
	readonly failuresTotal: number
	/** Checkpoints that came from the store. */
	readonly fetchedTotal: number
}

interface Known {
	readonly etag: string
	readonly digest: string
}

const POLL_MS = 5000
/** The interval doubles with each look that meets an outage, up to this: the store's return is seen in 15 s. */
const OUTAGE_POLL_MS_MAX = 12_000
/** While another process fetches, this is how often it is asked whether it has ended. */
const CLAIM_MS = 250
/** Least time between two looks. */
const PAUSE_MS_MIN = 500
/** Runs that are looked at at the same time. */
const LOOKS_AT_ONCE = 4
/** Each so many looks nothing is said of ETags: not every store changes them when it should. */
const FULL_LOOK_EVERY = 6
/** What has been brought, in the checkpoints directory. */
const INDEX_NAME = '.remote.json'

export class Mirror {
	readonly #options: MirrorOptions
	readonly #downloads: Downloads
	readonly #known = new Map<string, Known>()
	/** Digests of what was brought and could not be served. */
	readonly #refused = new Set<string>()
	#timer: ReturnType<typeof setTimeout> | null = null
	#isClosed = false
	#looks = 0
	/** Looks in a row that met an outage. */
	#outages = 0
	#reason: string | null = null
	#contactAt = performance.now()
	#failuresTotal = 0
	#fetchedTotal = 0

	constructor(options: MirrorOptions) {
		this.#options = options
		this.#downloads = new Downloads(options.store.directory)
	}

	/** Looks for the first time, and from then on again and again. Never fails. */
	async start(): Promise<void> {
		await this.#readIndex()
		await this.#lookAndGoOn()
	}

	close(): void {
		this.#isClosed = true
		if (this.#timer !== null) clearTimeout(this.#timer)
	}

	get state(): StoreState {
		return {
			isReachable: this.#reason === null,
			reason: this.#reason,
			secondsSinceContact: Math.round((performance.now() - this.#contactAt) / 1000),
			failuresTotal: this.#failuresTotal,
			fetchedTotal: this.#fetchedTotal,
		}
	}

	/**
	 * Brings one run, waiting for whoever fetches it already; false when the store has none of that name.
	 * Throws ObjectStoreError, and Fault for a checkpoint that cannot be served.
	 */
	async bring(name: string): Promise<boolean> {
		await this.#readIndex()
		const state = await this.#options.runs.head(name)
		if (typeof state === 'string') return false
		const { head, etag } = state
		while (!(await this.#bring(name, head))) await Bun.sleep(CLAIM_MS)
		await this.#note(name, { etag, digest: head.digest })
		return true
	}

	/** Publishes what an upload has staged, then lets it move into its run. Throws Fault. */
	async publish(name: string, staged: StagedRun, move: () => Promise<void>): Promise<void> {
		const { runs, commit } = this.#options
		const directory = dirname(staged.pathOf('config.json'))
		const { head, isServed, etag } = await runs.publish(name, directory, [...staged.files])
		await commit(name, staged, move)
		if (isServed && etag !== null) await this.#note(name, { etag, digest: head.digest })
	}

	/** Takes a run out of service for every replica. Throws Fault. */
	async remove(name: string): Promise<void> {
		await this.#options.runs.remove(name)
		await this.#note(name, null)
	}

	/** Looks at the store once. Never fails: `state` tells. */
	async look(): Promise<void> {
		const isFull = this.#looks++ % FULL_LOOK_EVERY === 0
		let failure: unknown = null
		try {
			const names = (await this.#options.runs.names()).filter(isSafeName)
			const all = new Set([...names, ...this.#known.keys()])
			await forEachAtOnce(all, LOOKS_AT_ONCE, async (name) => {
				if (this.#isClosed) return
				await this.#lookAtRun(name, isFull).catch((error: unknown) => {
					failure = error
					// The others would wait for the same.
					if (isOutage(error)) throw error
				})
			})
			if (failure === null && !this.#isClosed) await this.#downloads.sweep()
		} catch (error) {
			failure = error
		}
		this.#outages = isOutage(failure) ? this.#outages + 1 : 0
		this.#tell(failure === null ? null : reasonOf(failure))
	}

	async #lookAndGoOn(): Promise<void> {
		const startedAt = performance.now()
		await this.look()
		if (this.#isClosed) return
		const { pollMs = POLL_MS } = this.#options
		const jitter = 0.9 + 0.2 * Math.random()
		const dueMs = intervalMs(pollMs, this.#outages) * jitter - (performance.now() - startedAt)
		this.#timer = setTimeout(() => void this.#lookAndGoOn(), Math.max(PAUSE_MS_MIN, dueMs))
		this.#timer.unref()
	}

	#tell(failure: string | null): void {
		const { log } = this.#options
		if (failure === null) this.#contactAt = performance.now()
		else this.#failuresTotal++
		if (failure !== null && this.#reason === null) {
			log('warn', `object store: ${failure}; what is here stays served`)
		}
		if (failure === null && this.#reason !== null) log('info', 'object store: it answers again')
		this.#reason = failure
	}

	async #lookAtRun(name: string, isFull: boolean): Promise<void> {
		const { runs, log, remove } = this.#options
		const known = this.#known.get(name)
		const state = await runs.head(name, isFull ? undefined : known?.etag)
		if (state === 'same') return
		if (state === 'gone') {
			if (known === undefined) return
			await remove(name)
			await this.#note(name, null)
			return
		}
		const { head, etag } = state
		if (known?.digest !== head.digest && !this.#refused.has(head.digest)) {
			try {
				const isHere = await this.#options.exclusively(name, () => this.#bring(name, head))
				if (!isHere) return
			} catch (error) {
				// Somebody uploads to this run just now: the next look finds out.
				if (isFault(error, 'conflict', 'overloaded')) return
				if (!isFault(error, 'invalid')) throw error
				this.#refused.add(head.digest)
				log(
					'warn',
					`object store: run ${name} step ${head.step} cannot be served: ${error.message}`,
				)
				return
			}
		}
		if (known?.etag !== etag || known.digest !== head.digest) {
			if (!this.#refused.has(head.digest)) await this.#note(name, { etag, digest: head.digest })
		}
	}

	/** Makes the run here what the head says, unless it is. False while another server does that in this directory. */
	async #bring(name: string, head: Head): Promise<boolean> {
		const { store, verify, commit, log } = this.#options
		await using place = await this.#downloads.claim(head.digest)
		if (place === null) return false
		if (await this.#holds(name, head)) {
			await store.rescan(name)
			await place.clear()
			return true
		}
		await place.prepare()
		for (const file of head.files) {
			await this.#options.runs.download(name, head, file, place.pathOf(file.path))
		}
		const staged = await StagedRun.create(store.directory)
		try {
			for (const { path } of head.files) {
				const [top = '', inner] = path.split('/')
				const isNewDirectory = inner !== undefined && !staged.files.includes(top)
				if (isNewDirectory) await staged.createDirectory(top)
				await staged.takeOver(place.pathOf(path), path)
			}
			await place.clear()
			const step = head.step
			const isOneFile = staged.files.includes(checkpointName(step))
			const info = await verify(
				isOneFile
					? { type: 'file', path: staged.pathOf(checkpointName(step)) }
					: await locateModel(staged.pathOf(stepDirectoryName(step))),
			)
			await store.replace(name, { step, info }, () =>
				commit(name, staged, () => staged.commit(name)),
			)
			this.#fetchedTotal++
			log('info', `object store: run ${name} step ${step} has come, digest ${head.digest}`)
			return true
		} finally {
			await staged.remove()
		}
	}

	/** Whether the run here has all files of the head, byte for byte. */
	async #holds(name: string, { files }: Head): Promise<boolean> {
		try {
			const paths = files.map(({ path }) => path)
			const here = await describeFiles(join(this.#options.store.directory, name), paths)
			return Bun.deepEquals(here, [...files])
		} catch {
			return false
		}
	}

	async #note(name: string, known: Known | null): Promise<void> {
		if (known === null) this.#known.delete(name)
		else this.#known.set(name, known)
		const path = join(this.#options.store.directory, INDEX_NAME)
		const text = JSON.stringify(Object.fromEntries(this.#known))
		try {
			// Another server may write it at the same time.
			const ownPath = `${path}.${crypto.randomUUID()}.tmp`
			await Bun.write(ownPath, text)
			await rename(ownPath, path)
		} catch (error) {
			// Without it the next start compares the files themselves.
			this.#options.log(
				'warn',
				`object store: ${INDEX_NAME} cannot be written: ${messageOf(error)}`,
			)
		}
	}

	/** What was brought before this process started. */
	async #readIndex(): Promise<void> {
		try {
			const path = join(this.#options.store.directory, INDEX_NAME)
			const entries: unknown = JSON.parse(await readFile(path, 'utf8'))
			for (const [name, known] of Object.entries(isRecord(entries) ? entries : {})) {
				if (!isSafeName(name) || !isRecord(known)) continue
				const { etag, digest } = known
				if (typeof etag === 'string' && typeof digest === 'string') {
					this.#known.set(name, { etag, digest })
				}
			}
		} catch {
			// The first start, or a damaged index: everything is compared.
		}
	}
}

/** From one look to the next, when so many in a row have met an outage. */
export function intervalMs(pollMs: number, outages: number): number {
	return Math.min(pollMs * 2 ** outages, Math.max(pollMs, OUTAGE_POLL_MS_MAX))
}

/** In public words: what the system says of files has their paths. */
function reasonOf(error: unknown): string {
	const code = errorCode(error)
	const isOfSystem = code !== '' && !(error instanceof ObjectStoreError)
	return isOfSystem ? `what comes cannot be written here (${code})` : messageOf(error)
}

function isOutage(error: unknown): boolean {
	return error instanceof ObjectStoreError && error.isOutage
}
