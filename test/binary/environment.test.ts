/** The executable in the places where people start it: it needs nothing but itself. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import {
	type AlphaServer,
	executablePath,
	startAlpha,
	uploadSecret,
} from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { threadsMs } from '../helpers/processor-time.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const isRoot = process.getuid?.() === 0
const canMount =
	isRoot && Bun.which('unshare') !== null && Bun.spawnSync(['unshare', '-m', 'true']).success
const canInject = canMount && Bun.which('strace') !== null

/** Asks the embedded model for four tokens. */
async function continuation(server: AlphaServer): Promise<string> {
	const response = await fetch(`${server.url}/api/generate`, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({
			model: 'novels-austen',
			prompt: 'She had',
			max_tokens: 4,
			temperature: 0,
		}),
	})
	expect(response.status).toBe(200)
	const { text } = (await response.json()) as { text: string }
	return text
}

/** A command that starts the executable in a directory. */
function inDirectory(directory: string): string[] {
	return ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', directory, executablePath]
}

/**
 * A command that starts the executable where shell commands have changed the mounts. It is seen at
 * /opt, so that mounts over /tmp do not hide it.
 */
function withMounts(mounts: string, launcher: readonly string[] = []): string[] {
	const script = `set -e; mount --bind "$1" /opt; shift; ${mounts}; cd /; exec "$@"`
	return [
		'unshare',
		'-m',
		'sh',
		'-c',
		script,
		'sh',
		dirname(executablePath),
		...launcher,
		'/opt/alpha',
	]
}

const noexecEverywhere = ['/tmp', '/dev/shm', '/var/tmp', '/run']
	.map((path) => `mount -t tmpfs -o noexec,mode=1777 tmpfs ${path}`)
	.join('; ')

const embeddedOnly = { runs: [], args: ['--checkpoints', '/proc/nowhere'] }

describe('the executable', () => {
	test('serves its own model from an empty directory', async () => {
		using directory = tempDir()
		await using server = await startAlpha({ runs: [], command: inDirectory(directory.path) })
		expect(await continuation(server)).not.toBe('')
		expect(readdirSync(directory.path)).toEqual([])
	})

	test('ignores bunfig.toml and .env of the directory where it is started', async () => {
		using directory = tempDir()
		const file = (name: string) => join(directory.path, name)
		writeFileSync(file('bunfig.toml'), 'preload = ["./preload.ts"]\n')
		writeFileSync(file('preload.ts'), `await Bun.write(${JSON.stringify(file('ran'))}, '')\n`)
		writeFileSync(file('.env'), 'HOST=not-a-host.invalid\nUPLOAD_SECRET=from-dotenv\n')
		await using server = await startAlpha({ runs: [], command: inDirectory(directory.path) })
		expect(await continuation(server)).not.toBe('')
		expect(existsSync(file('ran'))).toBe(false)
	})

	test('makes its checkpoints directory at the start where it takes uploads, and never later', async () => {
		using directory = tempDir()
		const checkpoints = join(directory.path, 'models/alpha')
		const args = ['--checkpoints', checkpoints]
		await using server = await startAlpha({ runs: [], args })
		expect(readdirSync(checkpoints)).toEqual([])
		const report = async () => {
			const response = await fetch(`${server.url}/api/ingest`, {
				method: 'POST',
				headers: { authorization: `Bearer ${uploadSecret}` },
				body: JSON.stringify({ type: 'metrics', runId: 'run', metrics: [{ step: 1 }] }),
			})
			return [response.status, await response.text()]
		}
		expect(await report()).toEqual([200, '{"ok":true}'])
		rmSync(join(directory.path, 'models'), { recursive: true })
		const [status, text] = await report()
		expect([status, text]).toEqual([503, expect.stringContaining('does not exist')])
		expect(readdirSync(directory.path)).toEqual([])
	})

	test('makes none where it takes no uploads', async () => {
		using directory = tempDir()
		const args = ['--checkpoints', join(directory.path, 'models')]
		await using server = await startAlpha({
			runs: [],
			args,
			command: ['env', '-u', 'UPLOAD_SECRET', executablePath],
		})
		expect(await continuation(server)).not.toBe('')
		expect(readdirSync(directory.path)).toEqual([])
	})

	test('leaves nothing in the temporary directory', async () => {
		using directory = tempDir()
		const server = await startAlpha({ runs: [], env: { TMPDIR: directory.path } })
		await continuation(server)
		await server.stop()
		expect(readdirSync(directory.path)).toEqual([])
	})

	test('uses less than 0.5 % of a processor, or than a bare timer, when it has nothing to do', async () => {
		await using server = await startAlpha(embeddedOnly)
		await continuation(server)
		// On some machines waking up costs a thread 1 ms: there even this uses more than 0.5 %.
		await using timer = Bun.spawn([process.execPath, '-e', 'setInterval(() => {}, 50)'])
		const windowMs = 4000
		const sharesOfWindow = async () => {
			const used = () => [threadsMs(server.pid), threadsMs(timer.pid)]
			const before = used()
			await Bun.sleep(windowMs)
			return used().map((ms, i) => (ms - before[i]!) / windowMs)
		}
		// After a request the runtime still collects garbage for a while.
		await eventually(async () => {
			const [ofServer, ofTimer] = await sharesOfWindow()
			return ofServer! < Math.max(0.005, ofTimer!)
		}, 80_000)
	}, 90_000)

	test('prints its version and its help without starting anything', () => {
		const version = Bun.spawnSync([executablePath, '--version'])
		const help = Bun.spawnSync([executablePath, '--help'])
		expect(version.stdout.toString()).toMatch(/^alpha \d+\.\d+\.\d+\n$/)
		expect(help.stdout.toString()).toContain('--checkpoints DIR')
	})

	test('ends with one line about a wrong command line', () => {
		const { exitCode, stderr } = Bun.spawnSync([executablePath, '--prot', '80'])
		expect(exitCode).toBe(64)
		expect(stderr.toString()).toContain('unknown option --prot (did you mean --port?)')
	})
})

describe.skipIf(!canMount)('the executable (needs root and unshare)', () => {
	test('runs as a user who owns nothing', async () => {
		const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
		const command = withMounts('true', nobody)
		await using server = await startAlpha({ ...embeddedOnly, command })
		expect(await continuation(server)).not.toBe('')
	})

	test('runs with a read-only root', async () => {
		const command = withMounts(
			'mount -t tmpfs -o ro tmpfs /tmp; mount -t tmpfs -o ro tmpfs /dev/shm; mount -o remount,ro,bind /',
		)
		await using server = await startAlpha({ ...embeddedOnly, command })
		expect(await continuation(server)).not.toBe('')
	})

	test('runs where no temporary directory may hold code', async () => {
		const command = withMounts(noexecEverywhere)
		await using server = await startAlpha({ ...embeddedOnly, command })
		expect(await continuation(server)).not.toBe('')
	})
})

describe.skipIf(!canInject)('without memory files (needs root, unshare and strace)', () => {
	const refuseMemoryFiles = [
		...['strace', '-D', '-f', '-qq', '-o', '/dev/null', '--seccomp-bpf'],
		...['-e', 'trace=memfd_create', '-e', 'inject=memfd_create:error=EPERM'],
	]

	test('takes the first directory that may hold code', async () => {
		const command = withMounts(
			`${noexecEverywhere}; mount -t tmpfs -o mode=1777 tmpfs /var/tmp`,
			refuseMemoryFiles,
		)
		await using server = await startAlpha({ ...embeddedOnly, command })
		expect(await continuation(server)).not.toBe('')
	})

	test('says what to do when there is none', async () => {
		const command = withMounts(
			`${noexecEverywhere}; mount -o remount,ro,bind /opt`,
			refuseMemoryFiles,
		)
		const attempt = startAlpha({ ...embeddedOnly, command })
		await expect(attempt).rejects.toThrow(
			'Set TMPDIR to a directory that this user can write to and that is not mounted noexec.',
		)
	})
})
