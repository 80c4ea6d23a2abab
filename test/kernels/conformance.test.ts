// Every op on every instruction set: right within its tolerance, and the same bits everywhere. The
// cases are in driver/; what it prints must not depend on instruction set, threads or machine.
import { beforeAll, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openKernels } from '../../src/kernels/binding.ts'
import { architectureOf, hostTarget } from '../../src/kernels/targets.ts'
import { buildDriver, runDriver } from './driver.ts'

const kernels = openKernels(join(import.meta.dir, '../../dist/libkernels.so'))
const buildMs = 300_000
const runMs = 60_000

let driver = ''
let expected = ''

beforeAll(async () => {
	driver = await buildDriver({ folder: '' })
	expected = await runDriver([driver, 'scalar', '1'])
}, buildMs)

test('the bits are those of hashes.txt: models of today answer as they did', () => {
	const hashes = expected.replace(/^(\w+ \w+) .*$/gm, '$1')
	expect(hashes).toBe(readFileSync(join(import.meta.dir, 'hashes.txt'), 'utf8'))
})

describe.each(kernels.isaList())('%s', (isa) => {
	const isSupported = kernels.isaSupported(isa)
	const reason = isSupported ? '' : ' (skipped: this processor does not have it)'

	test.skipIf(!isSupported).each([1, 2, 3])(
		`gives the scalar code's bits on %d thread(s)${reason}`,
		async (threads) => {
			expect(await runDriver([driver, isa, String(threads)])).toBe(expected)
		},
		runMs,
	)
})

describe('arm64 under qemu', () => {
	const tools = ['aarch64-linux-gnu-gcc', 'qemu-aarch64']
	const missing = tools.filter((tool) => Bun.which(tool) === null)
	const isSkipped = missing.length > 0 || architectureOf(hostTarget()) === 'arm64'
	const reason = isSkipped ? ` (skipped: needs an x64 machine with ${tools.join(' and ')})` : ''

	let armDriver = ''
	beforeAll(async () => {
		if (!isSkipped)
			armDriver = await buildDriver({ folder: 'kernels-arm64', target: 'linux-arm64' })
	}, buildMs)

	test.skipIf(isSkipped).each(['neon_dotprod', 'neon', 'scalar'])(
		`%s gives the bits of x64${reason}`,
		async (isa) => {
			const emulator = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu']
			expect(await runDriver([...emulator, armDriver, isa, '2'])).toBe(expected)
		},
		runMs,
	)

	test.skipIf(isSkipped)(
		`a processor without dot products does not get them${reason}`,
		async () => {
			const emulator = ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu', '-cpu', 'cortex-a53']
			await expect(runDriver([...emulator, armDriver, 'neon_dotprod', '1'])).rejects.toThrow(
				'not available',
			)
		},
		runMs,
	)
})
