/** The executable inside a container that gives it little memory. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { withListeningSocket } from '../../src/commands/serving/listening-sockets.ts'
import { executablePath, startAlpha } from '../helpers/alpha-server.ts'
import { canLimitMemory, createMemoryGroup } from '../helpers/memory-group.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const MIB = 2 ** 20
const limited = test.skipIf(!canLimitMemory())

limited(
	'within 256 MB it starts anew as the same process, with small heaps (with control groups)',
	async () => {
		using group = createMemoryGroup(256 * MIB)
		const command = group!.within(executablePath)
		await using server = await startAlpha({ command, env: { MARK: 'kept' } })
		const variables = readFileSync(`/proc/${server.pid}/environ`, 'utf8').split('\0')
		expect(variables).toContain(`BUN_JSC_forceRAMSize=${64 * MIB}`)
		expect(variables).toContain('MARK=kept')
		expect((await fetch(`${server.url}/health`)).status).toBe(200)
		expect(await server.stop()).toBe(0)
	},
)

limited('with 512 MB it stays as it was started (with control groups)', async () => {
	using group = createMemoryGroup(512 * MIB)
	await using server = await startAlpha({ command: group!.within(executablePath) })
	expect(readFileSync(`/proc/${server.pid}/environ`, 'utf8')).not.toContain('forceRAMSize')
	await server.stop()
})

limited('settings that come through a pipe are read once it has started anew', async () => {
	using group = createMemoryGroup(256 * MIB)
	const alpha = group!.within(executablePath)
	const script = `printf 'queue-seconds = 7' | "$@" --config /dev/stdin --print-config`
	const child = Bun.spawnSync(['sh', '-c', script, 'sh', ...alpha, 'serve'])
	expect(child.stdout.toString()).toMatch(/queue-seconds = 7/)
})

limited('descriptors that it was started with stay open', async () => {
	using group = createMemoryGroup(256 * MIB)
	const alpha = group!.within(executablePath)
	const script = `printf 'queue-seconds = 7' | { "$@" --config /dev/fd/7 --print-config 7<&0; }`
	const child = Bun.spawnSync(['sh', '-c', script, 'sh', ...alpha, 'serve'])
	expect(child.stdout.toString()).toMatch(/queue-seconds = 7/)
})

limited('a socket that a supervisor hands over is served', async () => {
	using group = createMemoryGroup(256 * MIB)
	using directory = tempDir()
	const { started, socket } = withListeningSocket(() =>
		Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } }),
	)
	using supervisor = started
	const script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
	const alpha = [...group!.within(executablePath), 'serve', '--no-embedded-model']
	const child = Bun.spawn(['sh', '-c', script, 'sh', ...alpha], {
		cwd: directory.path,
		stdio: ['ignore', 'pipe', 'inherit', socket!],
	})
	const { value } = await child.stdout.getReader().read()
	expect(new TextDecoder().decode(value)).toBe(`listening on http://127.0.0.1:${supervisor.port}\n`)
	child.kill('SIGTERM')
	expect(await child.exited).toBe(0)
})
