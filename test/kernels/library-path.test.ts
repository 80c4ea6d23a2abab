import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import {
	chmodSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
	LibraryUnavailableError,
	libraryDirectories,
	locateLibrary,
} from '../../src/kernels/library-path.ts'

let directory = ''

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), 'alpha-library-'))
})
afterEach(() => {
	chmodSync(directory, 0o700)
	rmSync(directory, { recursive: true })
})

const BYTES = 'the library'

/** A search whose `open` accepts the paths that `accepts` does, and remembers all it was asked for. */
function search(options: {
	accepts: (path: string) => boolean
	memory?: () => number
	hasDescriptorPaths?: boolean
	directories?: string[]
}) {
	const library = join(directory, 'libkernels.so')
	writeFileSync(library, BYTES)
	const opened: string[] = []
	return {
		library,
		opened,
		createMemoryFile: options.memory ?? (() => openSync(join(directory, 'memory'), 'w+', 0o600)),
		hasDescriptorPaths: options.hasDescriptorPaths ?? true,
		directories: options.directories ?? [directory],
		open(path: string) {
			opened.push(path)
			if (!options.accepts(path)) throw new Error('failed to map segment')
		},
	}
}

const noMemory = (): number => {
	throw new Error('memfd_create: not permitted')
}

describe('locateLibrary', () => {
	test('prefers a memory file, which then holds the library', () => {
		const path = locateLibrary(search({ accepts: () => true }))
		expect(path).toStartWith('/proc/self/fd/')
		expect(readFileSync(path, 'utf8')).toBe(BYTES)
	})

	test('takes what Bun unpacks when there are no memory files', () => {
		const options = search({ accepts: () => true, memory: noMemory })
		expect(locateLibrary(options)).toBe(options.library)
	})

	test('copies into the first directory that can be written to, and leaves nothing there', () => {
		const writable = mkdtempSync(join(directory, 'writable-'))
		const options = search({
			accepts: (path) => path.startsWith('/proc/self/fd/'),
			memory: noMemory,
			directories: [join(directory, 'missing'), writable],
		})
		const path = locateLibrary(options)
		expect(readFileSync(path, 'utf8')).toBe(BYTES)
		expect(readdirSync(writable)).toEqual([])
	})

	test('goes on where a directory is writable and still cannot run code', () => {
		let copies = 0
		const options = search({
			accepts: (path) => path.startsWith('/proc/self/fd/') && ++copies === 2,
			memory: noMemory,
			directories: [mkdtempSync(join(directory, 'a-')), mkdtempSync(join(directory, 'b-'))],
		})
		expect(locateLibrary(options)).toBe(options.opened.at(-1) ?? '')
	})

	describe('on a system where descriptors have no paths', () => {
		let place = ''
		beforeEach(() => {
			place = mkdtempSync(join(directory, 'place-'))
		})
		const keep = () =>
			locateLibrary(
				search({
					accepts: (path) => path.startsWith(place),
					memory: noMemory,
					hasDescriptorPaths: false,
					directories: [place],
				}),
			)

		test('keeps one copy, which the next process takes', () => {
			const path = keep()
			expect(path).toMatch(/alpha-[0-9a-f]{16}-libkernels\.so$/)
			expect(readFileSync(path, 'utf8')).toBe(BYTES)
			const { ino } = statSync(path)
			expect(keep()).toBe(path)
			expect(statSync(path).ino).toBe(ino)
			expect(readdirSync(place)).toHaveLength(1)
		})

		test('replaces what others have put in its place, and follows no link', () => {
			const path = keep()
			const foreign = join(directory, 'foreign')
			writeFileSync(foreign, 'something else')
			rmSync(path)
			symlinkSync(foreign, path)
			expect(keep()).toBe(path)
			expect(readFileSync(path, 'utf8')).toBe(BYTES)
			expect(readFileSync(foreign, 'utf8')).toBe('something else')
		})
	})

	test('names every refusal and the remedy when nothing works, and leaves no copies', () => {
		const place = mkdtempSync(join(directory, 'noexec-'))
		const missing = join(directory, 'missing')
		const descriptors = readdirSync('/proc/self/fd').length
		const options = search({
			accepts: () => false,
			memory: noMemory,
			directories: [place, missing],
		})
		const attempt = () => locateLibrary(options)
		expect(attempt).toThrow(LibraryUnavailableError)
		expect(attempt).toThrow('memory: memfd_create: not permitted')
		expect(attempt).toThrow(`${place}: failed to map segment`)
		expect(attempt).toThrow(`${missing}: ENOENT`)
		expect(attempt).toThrow('Set TMPDIR to a directory')
		expect(readdirSync(place)).toEqual([])
		expect(readdirSync('/proc/self/fd').length).toBe(descriptors)
	})

	test('blames the C library and no directory when symbols are missing', () => {
		const options = search({ accepts: () => false })
		const open = () => {
			throw new Error("libc.so.6: version `GLIBC_2.34' not found")
		}
		const attempt = () => locateLibrary({ ...options, open })
		expect(attempt).toThrow("This system's C library lacks what the kernels need")
		expect(attempt).not.toThrow('TMPDIR')
	})
})

describe('libraryDirectories', () => {
	test("begins with the user's choice, ends with our own directories, each once", () => {
		const directories = libraryDirectories({
			env: { BUN_TMPDIR: '', TMPDIR: '/tmp', XDG_RUNTIME_DIR: '/run/user/7' },
			executable: '/opt/alpha/alpha',
			checkpoints: '/srv/checkpoints',
			platform: 'linux',
		})
		expect(directories).toEqual([
			'/tmp',
			'/run/user/7',
			'/dev/shm',
			'/var/tmp',
			'/opt/alpha',
			'/srv/checkpoints',
		])
	})

	test('has the directory that a system other than Linux gives its user', () => {
		const directories = libraryDirectories({
			env: {},
			executable: '/opt/alpha/alpha',
			checkpoints: '/srv/checkpoints',
			platform: 'win32',
		})
		expect(directories).toEqual([tmpdir(), '/opt/alpha', '/srv/checkpoints'])
	})
})
