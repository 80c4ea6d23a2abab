import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '../helpers/temp-dir.ts'
import { jsonBody, UploadDoor } from '../upload/upload-fixture.ts'

/** Mounts a memory file system of some megabytes; false where we may not. */
function mountTmpfs(path: string, megabytes: number): boolean {
	try {
		const options = `size=${megabytes}m`
		return Bun.spawnSync(['mount', '-t', 'tmpfs', '-o', options, 'tmpfs', path]).exitCode === 0
	} catch {
		return false
	}
}

function unmount(path: string): void {
	Bun.spawnSync(['umount', path])
}

function canMount(): boolean {
	using directory = tempDir()
	const isMounted = mountTmpfs(directory.path, 1)
	if (isMounted) unmount(directory.path)
	return isMounted
}

const fixture = join(import.meta.dir, '../fixtures/v1-bpe/checkpoint-450.json')

const note = canMount() ? '' : ' (skipped: mounting a small file system needs root)'

test.skipIf(note !== '')(
	`a full disk is 507, costs nothing that was there, and passes${note}`,
	async () => {
		using door = await UploadDoor.open()
		expect(mountTmpfs(door.path, 2)).toBe(true)
		try {
			expect(await door.send(jsonBody())).toMatchObject({ isNew: true })
			const before = door.files()
			const large = jsonBody({ step: '8', checkpoint: readFileSync(fixture, 'utf8') })
			for (let i = 0; i < 3; i++) {
				const answer = await door.send(large)
				expect(answer).toMatchObject({ status: 507, code: 'insufficient_storage' })
				expect(door.files()).toEqual(before)
			}
			expect(door.store.find('run')?.step).toBe(7)
			expect(await door.send(jsonBody({ step: '9' }))).toMatchObject({ isNew: true })
			expect(door.store.find('run')?.step).toBe(9)
		} finally {
			unmount(door.path)
		}
	},
)
