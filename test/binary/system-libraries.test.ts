/** What the executable asks of the system's C library: no more than Bun itself does. */
import { describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The first glibc that has everything Bun's own executables need. */
const FLOOR = [2, 17]

const dist = join(import.meta.dir, '../../dist')
const files = ['alpha', 'libkernels.so', 'alpha-linux-arm64', 'linux-arm64/libkernels.so']

/** Versions of glibc that the symbols of an ELF file are bound to. */
function glibcVersions(file: string): number[][] {
	const { stdout } = Bun.spawnSync(['readelf', '--dyn-syms', '-W', join(dist, file)])
	const names = stdout.toString().matchAll(/@GLIBC_(\d+)\.(\d+)/g)
	return [...names].map(([, major, minor]) => [Number(major), Number(minor)])
}

function isBeyondFloor([major = 0, minor = 0]: readonly number[]): boolean {
	return major > FLOOR[0]! || minor > FLOOR[1]!
}

describe.each(files.filter((file) => existsSync(join(dist, file))))('%s', (file) => {
	test('is bound to no symbol that came after glibc 2.17', () => {
		const versions = glibcVersions(file)
		expect(versions.length).toBeGreaterThan(0)
		expect(versions.filter(isBeyondFloor)).toEqual([])
	})
})
