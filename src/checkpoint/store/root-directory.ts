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
	/** It is seen to be gone, or not to be a directory. */
	| { readonly type: 'missing'; readonly reason: string }
	/** It cannot be looked at. */
	| { readonly type: 'unreadable'; readonly reason: string }

/** Looks at a directory again and again, reading its names only when they have changed. */
export class RootDirectory {
	readonly #path: string
	#names: readonly string[] = []
	#state = ''

	constructor(path: string) {
		this.#path = path
	}

	/** Which directory stands at the path; null when none does, or it cannot be looked at. */
	async identity(): Promise<string | null> {
		const found = await stat(this.#path, { bigint: true }).catch(() => null)
		return found?.isDirectory() === true ? identityOf(found) : null
	}

	async look(): Promise<RootState> {
		try {
			const found = await stat(this.#path, { bigint: true })
			if (!found.isDirectory()) {
				return { type: 'missing', reason: 'is a file, not a directory' }
			}
			const identity = identityOf(found)
			const state = [identity, found.mtimeNs, found.ctimeNs].join(':')
			const hasChanged = state !== this.#state
			if (hasChanged) {
				this.#names = await listCandidates(this.#path)
				// Within a tick of the clock a second change leaves no trace: such a state is not believed.
				const age = Date.now() - Number(found.ctimeNs) / 1e6
				this.#state = age > CLOCK_TICK_MS ? state : ''
			}
			return { type: 'present', identity, names: this.#names, hasChanged }
		} catch (error) {
			this.#state = ''
			const code = errorCode(error)
			if (code === 'ENOENT' || code === 'ENOTDIR') {
				return { type: 'missing', reason: 'does not exist' }
			}
			return { type: 'unreadable', reason: `cannot be read (${code})` }
		}
	}
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
