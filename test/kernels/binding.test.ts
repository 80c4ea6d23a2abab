import { describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKernels, pointerOf, threadsMax } from '../../src/kernels/binding.ts'
import { compileKernels } from '../../src/kernels/compile.ts'

const root = join(import.meta.dir, '../..')
const library = join(root, 'dist/libkernels.so')
const kernels = openKernels(library)

describe('the library', () => {
	test('refuses an unknown instruction set', () => {
		expect(kernels.select('sse9')).toBe(-1)
		expect(kernels.isaSupported('sse9')).toBe(false)
	})

	test('refuses an instruction set that the processor does not have', () => {
		for (const isa of kernels.isaList()) {
			expect(kernels.select(isa)).toBe(kernels.isaSupported(isa) ? 0 : -2)
		}
		kernels.select('')
	})

	test('takes the best instruction set by itself', () => {
		kernels.select('scalar')
		expect(kernels.isaName()).toBe('scalar')
		kernels.select('')
		expect(kernels.isaName()).toBe(kernels.isaList().find((isa) => kernels.isaSupported(isa))!)
	})

	test('refuses a pool that is empty or too large', () => {
		kernels.threadsSet(2)
		expect(kernels.threadsSet(0)).toBe(-1)
		expect(kernels.threadsSet(threadsMax + 1)).toBe(-1)
		expect(kernels.threads()).toBe(2)
		kernels.threadsSet(1)
	})

	test('takes as many threads of the pool as it is told, and all of them at first', () => {
		const threadsIn = () => kernels.measureFma(1) / kernelsOfOne
		kernels.threadsSet(1)
		const kernelsOfOne = kernels.measureFma(1)
		kernels.threadsSet(4)
		expect(threadsIn()).toBe(4)
		for (const count of [1, 3, 2, 4]) {
			expect(kernels.threadsUse(count)).toBe(0)
			expect(threadsIn()).toBe(count)
		}
		kernels.threadsUse(2)
		expect(kernels.threadsUse(0)).toBe(-1)
		expect(kernels.threadsUse(5)).toBe(-1)
		expect(kernels.threads()).toBe(4)
		expect(threadsIn()).toBe(2)
		kernels.threadsSet(3)
		expect(threadsIn()).toBe(3)
		kernels.threadsSet(1)
	})

	test('an idle pool uses no processor time, nor do threads that are left out', async () => {
		expect(kernels.threadsSet(3)).toBe(0)
		kernels.measureFma(1000)
		kernels.threadsUse(1)
		kernels.measureFma(1000)
		// Longer than the threads spin; the process itself has nothing else to do.
		await Bun.sleep(50)
		const before = process.cpuUsage()
		await Bun.sleep(200)
		const { user, system } = process.cpuUsage(before)
		expect(user + system).toBeLessThan(50_000)
		kernels.threadsSet(1)
	})

	const turn = 'se.slice'
	const hasTurns =
		existsSync('/proc/self/sched') && readFileSync('/proc/self/sched', 'utf8').includes(turn)
	test.skipIf(!hasTurns)(
		`gives the thread that asks for it short turns${hasTurns ? '' : ' (skipped: this system does not tell of them)'}`,
		async () => {
			const script = `
				import { readFileSync } from 'node:fs'
				import { openKernels } from './src/kernels/binding.ts'
				const kernels = openKernels(process.argv[1])
				const status = kernels.shortTurns()
				const turn = /se.slice *: *([0-9]+)/.exec(readFileSync('/proc/thread-self/sched', 'utf8'))[1]
				console.log(status, turn)
			`
			const child = Bun.spawn([process.execPath, '-e', script, library], {
				cwd: root,
				stdio: ['ignore', 'pipe', 'inherit'],
			})
			expect(await new Response(child.stdout).text()).toBe('0 100000\n')
		},
	)

	test.skipIf(process.platform !== 'linux')(
		'its threads let others go before them, its caller does not',
		() => {
			const script = `
				import { readdirSync, readFileSync } from 'node:fs'
				import { openKernels } from './src/kernels/binding.ts'
				const niceOf = (tid) => Number(readFileSync('/proc/self/task/' + tid + '/stat', 'utf8').split(') ')[1].split(' ')[16])
				const kernels = openKernels(process.argv[1])
				kernels.threadsSet(3)
				const own = niceOf(process.pid)
				const others = () => readdirSync('/proc/self/task').map(niceOf).filter((nice) => nice > own)
				// They have begun when they compute.
				for (let i = 0; i < 10_000 && others().length < 2; i++) kernels.measureFma(100_000)
				console.log(own, others().join())
			`
			const child = Bun.spawnSync([process.execPath, '-e', script, library], { cwd: root })
			const [own, threads] = child.stdout.toString().trim().split(' ')
			// 19 is the most that there is.
			const theirs = Math.min(19, Number(own) + 3)
			expect(threads ?? '').toBe(Number(own) === 19 ? '' : `${theirs},${theirs}`)
		},
	)

	test('gives whole pages of a buffer back, and nothing beside them', () => {
		const page = 4096
		const bytes = new Uint8Array(64 * page).fill(7)
		const address = pointerOf(bytes)
		const start = (page - (address % page)) % page
		kernels.releasePages(address + start + 100, 10 * page)
		const isKept = (from: number, to: number) =>
			bytes.subarray(from, to).every((byte) => byte === 7)
		expect(isKept(0, start + page)).toBe(true)
		expect(bytes.subarray(start + page, start + 10 * page).every((byte) => byte === 0)).toBe(true)
		expect(isKept(start + 10 * page, bytes.length)).toBe(true)
		kernels.releasePages(address, 10)
		expect(isKept(0, start + page)).toBe(true)
	})

	test.skipIf(process.platform !== 'linux')(
		"unmaps the program's own code, which comes back where it is used",
		() => {
			const residentFiles = () =>
				Number(/RssFile:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1])
			const before = residentFiles()
			kernels.releaseProgram()
			expect(residentFiles()).toBeLessThan(before / 2)
			expect(kernels.packedBytes(0, 64, 64)).toBe(64 * 64 * 4)
		},
	)

	test('64-bit sizes are numbers', () => {
		expect(kernels.packedBytes(0, 65536, 65536)).toBe(2 ** 34)
	})
})

describe('pointerOf', () => {
	test('is the address of the array that later views share', () => {
		const array = new Float32Array(16)
		const address = pointerOf(array)
		expect(pointerOf(array.subarray(4))).toBe(address + 16)
	})

	test('works on shared memory', () => {
		const shared = new Float32Array(new SharedArrayBuffer(256))
		shared[3] = Number.NaN
		expect(kernels.firstNonfinite(pointerOf(shared), 64)).toBe(3)
	})
})

describe('compileKernels', () => {
	test('does nothing when nothing has changed', async () => {
		await compileKernels({ outPath: library })
		expect(await compileKernels({ outPath: library })).toBe(false)
	}, 120_000)

	test('says what to install where there is no compiler', async () => {
		const directory = mkdtempSync(join(tmpdir(), 'kernels-'))
		const compiler = process.env['CC']
		try {
			process.env['CC'] = 'no-such-compiler'
			await expect(compileKernels({ outPath: join(directory, 'libkernels.so') })).rejects.toThrow(
				/"no-such-compiler" was not found: install gcc or clang/,
			)
		} finally {
			if (compiler === undefined) delete process.env['CC']
			else process.env['CC'] = compiler
			rmSync(directory, { recursive: true })
		}
	})
})
