import { expect, test } from 'bun:test'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { tempDir } from '../helpers/temp-dir.ts'

/** Runs a command as the first process of a namespace of its own, as containers do. */
const inNamespace = ['unshare', '--pid', '--fork', '--kill-child']

function canUnshare(): boolean {
	try {
		return Bun.spawnSync([...inNamespace, 'true']).exitCode === 0
	} catch {
		return false
	}
}

const note = canUnshare() ? '' : ' (skipped: process namespaces need root)'
const script = join(import.meta.dir, 'staging-process.ts')

function recover(directory: string): string {
	const child = Bun.spawnSync([...inNamespace, process.execPath, script, 'recover', directory])
	return child.stdout.toString().trim()
}

const nothing = '1 {"finished":[],"unfinished":[]}'

test.skipIf(note !== '')(
	`a server that starts in another process namespace leaves a running upload alone${note}`,
	async () => {
		using temp = tempDir()
		const child = Bun.spawn([...inNamespace, process.execPath, script, 'stage', temp.path], {
			stdin: 'pipe',
			stdout: 'pipe',
		})
		const lines = child.stdout.pipeThrough(new TextDecoderStream()).values()
		expect((await lines.next()).value).toBe('1 staged\n')
		expect(recover(temp.path)).toBe(nothing)
		child.stdin.write('go\n')
		await child.stdin.end()
		expect((await lines.next()).value).toBe('1 committed\n')
		await child.exited
		expect(readdirSync(join(temp.path, 'run')).sort()).toEqual(['checkpoint-1.json', 'config.json'])
		expect(existsSync(join(temp.path, '.incoming'))).toBe(false)
	},
	20_000,
)

test.skipIf(note !== '')(
	`and sweeps it as soon as its process has gone${note}`,
	async () => {
		using temp = tempDir()
		const child = Bun.spawn([...inNamespace, process.execPath, script, 'stage', temp.path], {
			stdin: 'pipe',
			stdout: 'pipe',
		})
		const lines = child.stdout.pipeThrough(new TextDecoderStream()).values()
		expect((await lines.next()).value).toBe('1 staged\n')
		child.kill('SIGKILL')
		await child.exited
		// `unshare` takes its child with it a moment later.
		await lines.next()
		expect(recover(temp.path)).toBe(nothing)
		expect(readdirSync(temp.path)).toEqual([])
	},
	20_000,
)
