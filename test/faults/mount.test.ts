import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { tempDir } from '../helpers/temp-dir.ts'

/** Where a process may mount and unmount without anybody else seeing it. */
const inNamespace = ['unshare', '--mount', '--propagation', 'private']

function canMount(): boolean {
	try {
		const mount = ['sh', '-c', 'mount -t tmpfs none /mnt && umount /mnt']
		return Bun.spawnSync([...inNamespace, ...mount]).exitCode === 0
	} catch {
		return false
	}
}

const note = canMount() ? '' : ' (skipped: mounting needs root)'
const script = join(import.meta.dir, 'mount-process.ts')

test.skipIf(note !== '')(
	`nothing is written below the mount point of a checkpoints directory that has gone, and its runs stay${note}`,
	async () => {
		using temp = tempDir()
		const directory = join(temp.path, 'checkpoints')
		const child = Bun.spawnSync([...inNamespace, process.execPath, script, directory])
		const lines = child.stdout.toString().trim().split('\n')
		const refusal =
			'not-writable: Nothing is stored at the moment: the checkpoints directory is not mounted.'
		expect([lines.map((line) => JSON.parse(line)), child.stderr.toString()]).toEqual([
			[
				{ when: 'mounted', stored: ['stored', 'stored'], served: ['run'], there: ['run', 'told'] },
				{ when: 'gone', stored: [refusal, refusal], served: ['run'], there: [] },
			],
			'',
		])
	},
	20_000,
)
