import { describe, expect, test } from 'bun:test'
import { lastLevelCacheBytes, measureMachine, readMachine } from '../../src/commands/machine.ts'

const GIB = 2 ** 30
const FALLBACK = { cores: 16, memoryBytes: 64 * GIB }

/** Files of /proc and /sys of a machine with 4 cores of 2 threads each in one package. */
const HYPERTHREADED: Record<string, string> = {
	'/proc/self/status': 'Name:\talpha\nCpus_allowed_list:\t0-7\nThreads:\t1\n',
	...Object.fromEntries(
		Array.from({ length: 8 }, (_, cpu) => [
			[`/sys/devices/system/cpu/cpu${cpu}/topology/core_id`, `${cpu % 4}\n`],
			[`/sys/devices/system/cpu/cpu${cpu}/topology/physical_package_id`, '0\n'],
		]).flat(),
	),
}

function measure(files: Record<string, string>) {
	return measureMachine((path) => files[path], FALLBACK)
}

describe('measureMachine', () => {
	test('counts cores, not hardware threads', () => {
		expect(measure(HYPERTHREADED).cores).toBe(4)
	})

	test('counts only cores that the affinity mask allows', () => {
		const status = 'Cpus_allowed_list:\t1,4-5\n'
		expect(measure({ ...HYPERTHREADED, '/proc/self/status': status }).cores).toBe(2)
	})

	test('counts cores of different packages apart', () => {
		const other = { '/sys/devices/system/cpu/cpu7/topology/physical_package_id': '1\n' }
		expect(measure({ ...HYPERTHREADED, ...other }).cores).toBe(5)
	})

	test('uses the allowed threads where there is no topology', () => {
		expect(measure({ '/proc/self/status': 'Cpus_allowed_list:\t0-5\n' }).cores).toBe(6)
	})

	test('keeps what the system says where there are no such files', () => {
		expect(measure({})).toEqual(FALLBACK)
	})

	test('obeys the limits of a version 2 control group', () => {
		const machine = measure({
			...HYPERTHREADED,
			'/proc/self/cgroup': '0::/pod/container\n',
			'/sys/fs/cgroup/pod/container/cpu.max': '250000 100000\n',
			'/sys/fs/cgroup/pod/container/memory.max': `${2 * GIB}\n`,
		})
		expect(machine).toEqual({ cores: 2, memoryBytes: 2 * GIB })
	})

	test('obeys the limits of the groups above', () => {
		const machine = measure({
			...HYPERTHREADED,
			'/proc/self/cgroup': '0::/pod/container\n',
			'/sys/fs/cgroup/pod/container/cpu.max': 'max 100000\n',
			'/sys/fs/cgroup/pod/container/memory.max': 'max\n',
			'/sys/fs/cgroup/pod/cpu.max': '300000 100000\n',
			'/sys/fs/cgroup/memory.max': `${GIB}\n`,
		})
		expect(machine).toEqual({ cores: 3, memoryBytes: GIB })
	})

	test('obeys the limits of version 1 control groups, seen from inside a container', () => {
		const machine = measure({
			...HYPERTHREADED,
			'/proc/self/cgroup': '4:memory:/docker/1f\n3:cpu,cpuacct:/docker/1f\n1:pids:/docker/1f\n',
			'/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '150000\n',
			'/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
			'/sys/fs/cgroup/memory/memory.limit_in_bytes': `${4 * GIB}\n`,
		})
		expect(machine).toEqual({ cores: 1, memoryBytes: 4 * GIB })
	})

	test('takes the marks of no limit for no limit', () => {
		const machine = measure({
			...HYPERTHREADED,
			'/proc/self/cgroup': '4:memory:/\n3:cpu,cpuacct:/\n',
			'/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
			'/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
			'/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
		})
		expect(machine).toEqual({ cores: 4, memoryBytes: FALLBACK.memoryBytes })
	})

	test('leaves one core to a container with a fraction of one', () => {
		const machine = measure({
			'/proc/self/cgroup': '0::/\n',
			'/sys/fs/cgroup/cpu.max': '50000 100000\n',
		})
		expect(machine.cores).toBe(1)
	})
})

test('the machine of this test has a core and memory', () => {
	const machine = readMachine()
	expect(machine.cores).toBeGreaterThanOrEqual(1)
	expect(machine.memoryBytes).toBeGreaterThan(2 ** 20)
})

test('the last cache of a processor is its largest; without a word of it, one of 32 MiB is assumed', () => {
	const sizes = ['48K', '32K', '1024K', '32768K']
	const readFile = (path: string) => sizes[Number(/index(\d)\/size$/.exec(path)?.[1])]
	expect(lastLevelCacheBytes(readFile)).toBe(32768 * 1024)
	expect(lastLevelCacheBytes((path) => (path.includes('index1') ? '512K\n' : undefined))).toBe(
		2 ** 19,
	)
	expect(lastLevelCacheBytes(() => undefined)).toBe(2 ** 25)
})
