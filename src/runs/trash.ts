import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { syncDirectory } from '../checkpoint/store/files.ts'

/** Where deleted runs wait, inside the checkpoints directory. */
const TRASH = '.trash'

/** Deleted runs can be moved back for this long, milliseconds. */
const TRASH_MS = 24 * 3_600_000

/** Moves a run out of sight; its directory is `.trash/<name>-<milliseconds>` from then on. */
export async function moveToTrash(root: string, name: string, nowMs: number): Promise<void> {
	const trash = join(root, TRASH)
	await mkdir(trash, { recursive: true, mode: 0o700 })
	await rename(join(root, name), join(trash, `${name}-${nowMs}`))
	await syncDirectory(root)
}

/** Removes what has been in the trash for a day. Never fails: what stays is tried again. */
export async function emptyTrash(root: string, nowMs: number): Promise<void> {
	const trash = join(root, TRASH)
	for (const entry of await readdir(trash).catch((): string[] => [])) {
		const deletedMs = Number(/-(\d+)$/.exec(entry)?.[1] ?? 0)
		if (nowMs - deletedMs < TRASH_MS) continue
		await rm(join(trash, entry), { recursive: true, force: true }).catch(() => {})
	}
	await rmdir(trash).catch(() => {})
}
