/**
 * The executable in the oldest systems that can be had: roots of Debian 11 and Ubuntu 20.04 (glibc
 * 2.31), made by debootstrap in some minutes. As root: `bun test/release/old-systems.ts`. Each must
 * continue a prompt as this system does.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { executablePath } from '../helpers/alpha-server.ts'

const SUITES = ['bullseye', 'focal']
const ASK = 'generate novels-austen She --max-tokens=30 --temperature=0 --threads=4'.split(' ')

function run(command: readonly string[]): string {
	const { success, stdout, stderr } = Bun.spawnSync([...command])
	if (!success) throw new Error(`${command.join(' ')} failed:\n${stdout}${stderr}`)
	return stdout.toString()
}

const expected = run([executablePath, ...ASK])
const directory = mkdtempSync(join(tmpdir(), 'alpha-systems-'))
let failures = 0
try {
	for (const suite of SUITES) {
		const root = join(directory, suite)
		run(['debootstrap', '--variant=minbase', '--no-check-gpg', suite, root])
		cpSync(executablePath, join(root, 'alpha'))
		const glibc = run(['chroot', root, 'ldd', '--version']).split('\n')[0]
		// Bun finds what the executable carries through /proc.
		const script = 'mount -t proc proc "$0/proc" && exec chroot "$0" /alpha "$@"'
		const text = run(['unshare', '-m', 'sh', '-c', script, root, ...ASK])
		const isEqual = text === expected
		if (!isEqual) failures++
		console.log(`(${isEqual ? 'pass' : 'fail'}) ${suite}, ${glibc}: ${JSON.stringify(text)}`)
	}
} finally {
	rmSync(directory, { recursive: true, force: true })
}
process.exit(failures === 0 ? 0 : 1)
