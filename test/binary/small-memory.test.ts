/** The executable inside a container that gives it little memory. */
import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { executablePath, startAlpha } from '../helpers/alpha-server.ts'
import { canLimitMemory, createMemoryGroup } from '../helpers/memory-group.ts'

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
