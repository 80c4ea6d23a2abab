import { rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory, namesIn, syncDirectory } from '../checkpoint/store/files.ts'
import { errorCode } from '../lib/errors.ts'

/** Where deleted runs wait, inside the checkpoints directory. */
const TRASH = '.trash'

/** Deleted runs can be moved back for this long, milliseconds. */
const TRASH_MS = 24 * 3_600_000

/**
 * Moves a run out of sight; its directory is `.trash/<name>-<milliseconds>` from then on. One that is gone
 * already is none to be moved.
 */
export async function moveToTrash(root: string, name: string, nowMs: number): Promise<void> {
	const trash = join(root, TRASH)
	for (let ms = nowMs; ; ms++) {
		await makeDirectory(trash, 0o700)
		try {
			await rename(join(root, name), join(trash, `${name}-${ms}`))
			break
		} catch (error) {
			const code = errorCode(error)
			if (code === 'ENOENT') return
			// The same run was deleted in the same millisecond.
			if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error
		}
	}
	await syncDirectory(root)
}

/** Removes what has been in the trash for a day. Never fails: what stays is tried again. */
export async function emptyTrash(root: string, nowMs: number): Promise<void> {
	const trash = join(root, TRASH)
	for (const entry of await namesIn(trash)) {
		const deletedMs = Number(/-(\d+)$/.exec(entry)?.[1] ?? 0)
		if (nowMs - deletedMs < TRASH_MS) continue
		await rm(join(trash, entry), { recursive: true, force: true }).catch(() => {})
	}
	await rmdir(trash).catch(() => {})
}
