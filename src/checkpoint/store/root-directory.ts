/*
 * The checkpoints directory itself: which runs may be in it, and whether it is the same as before.
 */
import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { errorCode } from '../../lib/errors.ts'
import { isGgufName } from '../formats/gguf.ts'
import { isIgnoredName } from './names.ts'

/** What a look at the directory says. */
export type RootState =
	| {
			readonly type: 'present'
			/** Another directory at the same path has another identity. */
			readonly identity: string
			/** Directories in it, models in one file, and links. */
			readonly names: readonly string[]
			/** Names have come or gone since the look before. */
			readonly hasChanged: boolean
	  }
	/** It is seen to be gone, not to be a directory, or to be the mount point of what was here. */
	| { readonly type: 'missing'; readonly reason: string }
	/** It cannot be looked at. */
	| { readonly type: 'unreadable'; readonly reason: string }

/** Looks at a directory again and again, reading its names only when they have changed. */
export class RootDirectory {
	readonly #path: string
	#names: readonly string[] = []
	#state = ''
	/** A file system was mounted here once: without it, what stands at the path is only its mount point. */
	#isMount = false

	constructor(path: string) {
		this.#path = path
	}

	/** Which directory stands at the path; null when none does, or it cannot be looked at. */
	async identity(): Promise<string | null> {
		const found = await this.#find()
		return found.type === 'present' ? identityOf(found.stat) : null
	}

	/** Why nothing can be stored there at the moment; null when it can, as far as a look tells. */
	async obstacle(): Promise<string | null> {
		const found = await this.#find()
		return found.type === 'present' ? null : found.reason
	}

	async look(): Promise<RootState> {
		const found = await this.#find()
		if (found.type !== 'present') {
			this.#state = ''
			return found
		}
		try {
			const { stat } = found
			const identity = identityOf(stat)
			const state = [identity, stat.mtimeNs, stat.ctimeNs].join(':')
			const hasChanged = state !== this.#state
			if (hasChanged) {
				this.#names = await listCandidates(this.#path)
				// Within a tick of the clock a second change leaves no trace: such a state is not believed.
				const age = Date.now() - Number(stat.ctimeNs) / 1e6
				this.#state = age > CLOCK_TICK_MS ? state : ''
			}
			return { type: 'present', identity, names: this.#names, hasChanged }
		} catch (error) {
			this.#state = ''
			return absent(error)
		}
	}

	async #find(): Promise<Found> {
		try {
			const found = await stat(this.#path, { bigint: true })
			if (!found.isDirectory()) return { type: 'missing', reason: 'is a file, not a directory' }
			// Not joined, which would take the parent of a link for that of its target.
			const { dev } = await stat(`${this.#path}/..`, { bigint: true })
			const isMount = found.dev !== dev
			if (this.#isMount && !isMount) return { type: 'missing', reason: 'is not mounted' }
			this.#isMount = isMount
			return { type: 'present', stat: found }
		} catch (error) {
			return absent(error)
		}
	}
}

type Found = { readonly type: 'present'; readonly stat: BigIntStats } | Absent

type Absent = Exclude<RootState, { type: 'present' }>

function absent(error: unknown): Absent {
	const code = errorCode(error)
	if (code === 'ENOENT' || code === 'ENOTDIR') return { type: 'missing', reason: 'does not exist' }
	return { type: 'unreadable', reason: `cannot be read (${code})` }
}

/** Coarsest step of a file system's clock that we know. */
const CLOCK_TICK_MS = 20

/** A new directory may have the old one's inode number, but not its time of birth. */
function identityOf({ dev, ino, birthtimeNs }: BigIntStats): string {
	return [dev, ino, birthtimeNs].join(':')
}

async function listCandidates(path: string): Promise<readonly string[]> {
	const entries = await readdir(path, { withFileTypes: true })
	return entries.flatMap((entry) => {
		const isCandidate =
			entry.isDirectory() || entry.isSymbolicLink() || (entry.isFile() && isGgufName(entry.name))
		return isCandidate && !isIgnoredName(entry.name) ? [entry.name] : []
	})
}
