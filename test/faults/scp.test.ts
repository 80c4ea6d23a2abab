/* Runs copied in by scp, as people do it: through a real sshd, slowly, in both of scp's protocols. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import { inspectCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { openStore } from '../../src/checkpoint/store/store.ts'
import { kernels } from '../checkpoint/read-checkpoint.ts'
import { eventually } from '../helpers/eventually.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const sshd = '/usr/sbin/sshd'
const hasSshd = existsSync(sshd) && Bun.which('scp') !== null && Bun.which('ssh-keygen') !== null
const fixtures = join(import.meta.dir, '../fixtures')

/** Kilobits a second: the copies below take one to two seconds. */
const RATE = 6000

const temp = tempDir()
let server: Bun.Subprocess | undefined
let port = 0

beforeAll(async () => {
	if (!hasSshd) return
	for (const key of ['host', 'user']) {
		Bun.spawnSync(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', join(temp.path, key)])
	}
	const probe = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
	port = probe.port
	probe.stop(true)
	const config = join(temp.path, 'sshd_config')
	const lines = [
		`ListenAddress 127.0.0.1:${port}`,
		`HostKey ${join(temp.path, 'host')}`,
		`AuthorizedKeysFile ${join(temp.path, 'user.pub')}`,
		'StrictModes no',
		'UsePAM no',
		'PermitRootLogin yes',
		`PidFile ${join(temp.path, 'pid')}`,
		'Subsystem sftp internal-sftp',
	]
	writeFileSync(config, lines.join('\n'))
	await Bun.$`mkdir -p /run/sshd`.nothrow().quiet()
	server = Bun.spawn([sshd, '-D', '-f', config], { stdout: 'ignore', stderr: 'ignore' })
	await eventually(async () => {
		const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } }).catch(
			() => null,
		)
		socket?.end()
		return socket !== null
	})
})

afterAll(async () => {
	server?.kill()
	await server?.exited
	temp[Symbol.dispose]()
})

/** Copies files; `-O` is the old protocol, which writes over a file in place. */
async function scp(sources: readonly string[], target: string, flags: readonly string[]) {
	const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'BatchMode=yes']
	const process = Bun.spawn(
		[
			...[
				'scp',
				'-q',
				'-r',
				...flags,
				'-l',
				`${RATE}`,
				'-P',
				`${port}`,
				'-i',
				join(temp.path, 'user'),
			],
			...options.flatMap((option) => ['-o', option]),
			...sources,
			`127.0.0.1:${target}`,
		],
		{ stdin: 'ignore', stdout: 'ignore', stderr: 'pipe' },
	)
	const message = await new Response(process.stderr).text()
	expect([await process.exited, message]).toEqual([0, expect.any(String)])
}

describe.skipIf(!hasSshd)('a run that arrives by scp (sshd)', () => {
	test.each([
		['the current protocol', ['-s']],
		['the old protocol', ['-O']],
		['the old protocol, keeping times', ['-O', '-p']],
	])(
		'%s: appears when it is whole, and is replaced whole',
		async (_name, flags) => {
			using directory = tempDir()
			const damage: string[] = []
			const store = await openStore({
				directory: directory.path,
				log: (level, message) => void (level === 'warn' && damage.push(message)),
				inspect: async ({ path }) => {
					using source = openFileSource(path)
					return inspectCheckpoint(kernels, openCheckpoint(source), 'f32')
				},
			})
			try {
				let isCopying = true
				store.onChange(() => {
					if (isCopying && store.find('v1-char')?.served.sizeBytes === 0)
						damage.push('served too early')
				})
				const copying = scp([join(fixtures, 'v1-char')], directory.path, flags)
				while (await Promise.race([copying.then(() => false), Bun.sleep(20).then(() => true)])) {
					const run = store.find('v1-char')
					if (run && readFileSync(run.served.path).length !== run.served.sizeBytes)
						damage.push('half')
				}
				isCopying = false
				await eventually(() => store.find('v1-char')?.info?.parameterCount === 17_280, 3000)

				// Another network of the same name and step: never gone, old or new, nothing else.
				const target = join(directory.path, 'v1-char/checkpoint-300.json')
				const other = join(fixtures, 'mid-binary-wq/checkpoint-300.json')
				const seen = new Set<number | undefined>()
				store.onChange(() => seen.add(store.find('v1-char')?.info?.parameterCount))
				await scp([other], target, flags)
				await eventually(() => store.find('v1-char')?.info?.parameterCount === 23_616, 3000)
				seen.delete(17_280)
				seen.delete(23_616)
				expect([...seen]).toEqual([])
				expect(damage).toEqual([])
			} finally {
				store.close()
			}
		},
		30_000,
	)
})
