/** install.sh against a release on a local server; what it installs is a script that tells a version. */

import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { archive, writeTarGz } from '../../deploy/release/archive.ts'
import { sha256Of } from '../../deploy/release/command.ts'
import { finishedOf } from '../helpers/finished.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const script = join(import.meta.dir, '../../deploy/install.sh')
const hasShellcheck = Bun.which('shellcheck') !== null
const PROGRAM = '#!/bin/sh\necho "alpha 1.2.3"\n'

/** A release in a directory, and a server of its files. */
async function startRelease(program = PROGRAM) {
	const directory = tempDir()
	const file = (name: string) => join(directory.path, name)
	for (const target of ['linux-x64', 'linux-x64-baseline', 'linux-arm64']) {
		const name = `alpha-1.2.3-${target}`
		const entries = [{ path: `${name}/alpha`, content: program, mode: 0o755 }]
		await archive(entries, file(`${name}.tar.gz`), 1_700_000_000, writeTarGz)
	}
	const lines = readdirSync(directory.path).map(
		async (name) => `${await sha256Of(file(name))}  ${name}\n`,
	)
	writeFileSync(file('SHA256SUMS'), (await Promise.all(lines)).join(''))
	const server = Bun.serve({
		hostname: '127.0.0.1',
		port: 0,
		async fetch(request) {
			const found = Bun.file(file(new URL(request.url).pathname))
			return (await found.exists()) ? new Response(found) : new Response('', { status: 404 })
		},
	})
	return {
		url: server.url.href,
		file,
		[Symbol.dispose]() {
			void server.stop(true)
			directory[Symbol.dispose]()
		},
	}
}

async function install(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
	const child = Bun.spawn(['sh', script, ...args], {
		env: { PATH: process.env['PATH'], ...env },
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
	})
	return await finishedOf(child)
}

describe('install.sh', () => {
	test('puts the executable into ~/.local/bin of whoever runs it', async () => {
		using release = await startRelease()
		using home = tempDir()
		const { status, output, errors } = await install(['--from', release.url], { HOME: home.path })
		expect({ status, errors }).toEqual({ status: 0, errors: '' })
		const installed = join(home.path, '.local/bin/alpha')
		expect(output).toContain(`installed alpha 1.2.3 at ${installed}`)
		expect(Bun.spawnSync([installed]).stdout.toString()).toBe('alpha 1.2.3\n')
		expect(readdirSync(join(home.path, '.local/bin'))).toEqual(['alpha'])
	})

	test('takes address and prefix from the environment, too, and replaces what is there', async () => {
		using release = await startRelease()
		using prefix = tempDir()
		const env = { ALPHA_RELEASE_URL: release.url, ALPHA_PREFIX: prefix.path }
		for (const _ of [1, 2]) expect((await install([], env)).status).toBe(0)
		expect(readFileSync(join(prefix.path, 'bin/alpha'), 'utf8')).toBe(PROGRAM)
	})

	test('installs nothing whose checksum is another', async () => {
		using release = await startRelease()
		using prefix = tempDir()
		writeFileSync(release.file('alpha-1.2.3-linux-arm64.tar.gz'), 'not what was published')
		const args = ['--from', release.url, '--prefix', prefix.path, '--target', 'linux-arm64']
		const { status, errors } = await install(args)
		expect(status).toBe(1)
		expect(errors).toMatch(/has the checksum \w{64}, expected \w{64}: nothing was installed/)
		expect(existsSync(join(prefix.path, 'bin'))).toBe(false)
	})

	test('keeps what is there when the new one does not start', async () => {
		using release = await startRelease('#!/bin/sh\nexit 127\n')
		using prefix = tempDir()
		writeFileSync(join(prefix.path, 'keep'), '')
		const { status, errors } = await install(['--from', release.url, '--prefix', prefix.path])
		expect(status).toBe(1)
		expect(errors).toContain('does not start here: nothing was installed')
		expect(readdirSync(join(prefix.path, 'bin'))).toEqual([])
	})

	test('takes the baseline where the processor has no AVX2', async () => {
		using release = await startRelease()
		using prefix = tempDir()
		const cpuinfo = join(prefix.path, 'cpuinfo')
		writeFileSync(cpuinfo, 'flags : fpu sse2 avx\n')
		const args = ['--from', release.url, '--prefix', prefix.path]
		const { output } = await install(args, { ALPHA_CPUINFO: cpuinfo })
		if (process.arch === 'x64') {
			expect(output).toContain('downloading alpha-1.2.3-linux-x64-baseline.tar.gz')
		} else expect(output).toContain('downloading alpha-1.2.3-linux-arm64.tar.gz')
	})

	test.each([
		[[], 'expected --from URL'],
		[['--from'], '--from needs a value'],
		[['--form', 'x'], 'unknown option --form'],
	])('refuses %j and says why', async (args, message) => {
		const { status, errors } = await install(args, { HOME: '/nowhere' })
		expect(status).toBe(1)
		expect(errors).toContain(message)
	})

	test('says which build is missing', async () => {
		using release = await startRelease()
		using prefix = tempDir()
		const args = ['--from', release.url, '--prefix', prefix.path, '--target', 'plan9-x64']
		expect((await install(args)).errors).toContain('has no build for plan9-x64')
	})

	test.skipIf(!hasShellcheck)(
		`is plain POSIX shell to shellcheck${hasShellcheck ? '' : ' (skipped: not installed)'}`,
		() => {
			const { stdout } = Bun.spawnSync(['shellcheck', '-s', 'sh', script])
			expect(stdout.toString()).toBe('')
		},
	)
})
