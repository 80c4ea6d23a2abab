/**
 * What this process may use of the machine: the smallest of what the hardware has, what the
 * scheduler's affinity mask allows and what control groups (v1 and v2) leave to a container.
 */
import { readFileSync } from 'node:fs'
import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Machine } from './settings/config.ts'

/** Text of a file of /proc or /sys, undefined where it does not exist. */
export type ReadFile = (path: string) => string | undefined

/** Reads the machine that we run on. */
export function readMachine(): Machine {
	return measureMachine(readText, { cores: availableParallelism(), memoryBytes: totalmem() })
}

/** What weights must exceed to be read from memory in each step, where the system does not say. */
const CACHE_BYTES = 32 * 2 ** 20
/** Levels of caches that a processor may have, each with an entry for data and one for instructions. */
const CACHE_ENTRIES_MAX = 8

/** Bytes of the processor's last cache. */
export function lastLevelCacheBytes(readFile: ReadFile = readText): number {
	const sizes = Array.from({ length: CACHE_ENTRIES_MAX }, (_, index) => {
		const text = readFile(`/sys/devices/system/cpu/cpu0/cache/index${index}/size`)
		const [, kilobytes] = /^(\d+)K\s*$/.exec(text ?? '') ?? []
		return Number(kilobytes ?? 0) * 1024
	})
	return Math.max(...sizes) || CACHE_BYTES
}

/** Files and connections that the process may have open at once; undefined where the system does not say. */
export function descriptorLimit(readFile: ReadFile = readText): number | undefined {
	const [, soft] = /^Max open files +(\S+)/m.exec(readFile('/proc/self/limits') ?? '') ?? []
	return soft === 'unlimited'
		? Number.POSITIVE_INFINITY
		: soft === undefined
			? undefined
			: Number(soft)
}

function readText(path: string): string | undefined {
	try {
		return readFileSync(path, 'utf8')
	} catch {
		return undefined
	}
}

/** Hosts that are this machine: its name and its addresses, and those that stand for all of them. */
export function ownHosts(): string[] {
	const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
	return ['localhost', '0.0.0.0', '::', hostname(), ...addresses.map(({ address }) => address)]
}

/** The machine that these files describe, `fallback` where they are silent. */
export function measureMachine(readFile: ReadFile, fallback: Machine): Machine {
	const groups = controlGroupDirectories(readFile)
	const cores = physicalCores(readFile) ?? fallback.cores
	const quota = smallest(groups.map((directory) => processorQuota(directory, readFile)))
	const memoryBytes = smallest([
		fallback.memoryBytes,
		...groups.map((directory) => memoryLimit(directory, readFile)),
	])
	return { cores: Math.max(1, Math.floor(Math.min(cores, quota))), memoryBytes }
}

function smallest(values: readonly (number | undefined)[]): number {
	return Math.min(Number.POSITIVE_INFINITY, ...values.filter((value) => value !== undefined))
}

/** Distinct cores behind the hardware threads that this process may run on. */
function physicalCores(readFile: ReadFile): number | undefined {
	const status = readFile('/proc/self/status')
	const allowed = status?.match(/^Cpus_allowed_list:\s*(\S+)/m)?.[1]
	if (allowed === undefined) return undefined
	const cores = new Set<string>()
	for (const cpu of parseCpuList(allowed)) {
		const directory = `/sys/devices/system/cpu/cpu${cpu}/topology`
		const core = readFile(join(directory, 'core_id'))?.trim()
		const package_ = readFile(join(directory, 'physical_package_id'))?.trim()
		cores.add(core === undefined ? `cpu ${cpu}` : `${package_}:${core}`)
	}
	return cores.size === 0 ? undefined : cores.size
}

/** Numbers of a kernel list such as `0-3,8`. */
function parseCpuList(text: string): number[] {
	return text.split(',').flatMap((range) => {
		const [first = Number.NaN, last = first] = range.split('-').map(Number)
		const length = Number.isInteger(first) && Number.isInteger(last) ? last - first + 1 : 0
		return Array.from({ length: Math.max(0, length) }, (_, i) => first + i)
	})
}

/**
 * Directories of this process's control groups and of all groups above them, whose limits hold too.
 * Inside a container the named path is often not visible and the limits are at the mount's root.
 */
function controlGroupDirectories(readFile: ReadFile): string[] {
	const directories: string[] = []
	for (const line of readFile('/proc/self/cgroup')?.split('\n') ?? []) {
		const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
		if (controllers === undefined || path === undefined) continue
		const isRelevant = controllers === '' || /\b(cpu|memory)\b/.test(controllers)
		if (!isRelevant) continue
		const mount = join('/sys/fs/cgroup', controllers)
		for (let directory = path; ; directory = join(directory, '..')) {
			directories.push(join(mount, directory))
			if (directory === '/') break
		}
	}
	return directories
}

/** Processors per second of time: `cpu.max` of v2, `cpu.cfs_*` of v1. */
function processorQuota(directory: string, readFile: ReadFile): number | undefined {
	const [quota, period] = readFile(join(directory, 'cpu.max'))?.trim().split(' ') ?? [
		readFile(join(directory, 'cpu.cfs_quota_us'))?.trim(),
		readFile(join(directory, 'cpu.cfs_period_us'))?.trim(),
	]
	const processors = Number(quota) / Number(period)
	return processors > 0 ? processors : undefined
}

/** Bytes: `memory.max` of v2, `memory.limit_in_bytes` of v1; both have a way to say "no limit". */
function memoryLimit(directory: string, readFile: ReadFile): number | undefined {
	const text =
		readFile(join(directory, 'memory.max')) ?? readFile(join(directory, 'memory.limit_in_bytes'))
	const bytes = Number(text?.trim())
	return bytes > 0 ? bytes : undefined
}
