/** Where a watched thread is: what the system says of it, and the functions on its stack by their names. */
import { readFileSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { type Kernels, pointerOf } from './binding.ts'

/** What can be had of these; a system that does not tell leaves it out. */
export interface ThreadState {
	/** The system's letter: R runs, S sleeps, D waits for a device, t is held by a debugger. */
	readonly state?: string
	/** The kernel's function that it waits in. */
	readonly waitsIn?: string
	/** Innermost first. */
	readonly stack: readonly string[] | string
}

const FRAMES_MAX = 64

/** Describes the thread that `watchThread` gave this number. Takes up to a tenth of a second. */
export function threadState(
	kernels: Pick<Kernels, 'threadStack'>,
	libraryPath: string,
	thread: number,
): ThreadState {
	if (thread < 0) return { stack: 'this system tells no stacks' }
	const ofTask = (name: string) => readOrEmpty(`/proc/self/task/${thread}/${name}`)
	const stat = ofTask('stat')
	const state = stat.slice(stat.lastIndexOf(')') + 2)[0]
	const waitsIn = ofTask('wchan').replace(/^0$/, '')
	const addresses = new BigUint64Array(FRAMES_MAX)
	const count = kernels.threadStack(thread, pointerOf(addresses), FRAMES_MAX)
	return {
		...(state === undefined ? {} : { state }),
		...(waitsIn === '' ? {} : { waitsIn }),
		stack:
			count === 0
				? 'the thread does not answer'
				: frameNames([...addresses.subarray(0, count)].map(Number), libraryPath),
	}
}

interface Mapping {
	readonly start: number
	readonly end: number
	readonly inode: number
	readonly path: string
}

/** Functions of the kernels by name; of other files the place in them. */
function frameNames(addresses: readonly number[], libraryPath: string): string[] {
	const maps = mappings(readFileSync('/proc/self/maps', 'utf8'))
	const { ino } = statSync(libraryPath)
	const symbols = functionSymbols(readFileSync(libraryPath))
	return addresses.map((address, index) => {
		const mapping = maps.find(({ start, end }) => start <= address && address < end)
		if (mapping === undefined || mapping.inode === 0) return 'code made at run time'
		const base = Math.min(
			...maps.filter(({ inode }) => inode === mapping.inode).map(({ start }) => start),
		)
		// A caller's address is behind its call, which may have been the last instruction.
		const at = address - base - (index === 0 ? 0 : 1)
		const found = mapping.inode === ino ? symbols.find((symbol) => covers(symbol, at)) : undefined
		if (found !== undefined) return `${found.name}+0x${(address - base - found.start).toString(16)}`
		return `${basename(mapping.path)}+0x${(address - base).toString(16)}`
	})
}

/** Files that are mapped, as `/proc/PID/maps` has them. */
function mappings(text: string): Mapping[] {
	return text.split('\n').flatMap((line) => {
		const match = /^(\w+)-(\w+) \S+ \w+ \S+ (\d+) *(.*?)(?: \(deleted\))?$/.exec(line)
		if (match === null) return []
		const [, start = '', end = '', inode, path = ''] = match
		return {
			start: Number.parseInt(start, 16),
			end: Number.parseInt(end, 16),
			inode: Number(inode),
			path,
		}
	})
}

interface FunctionSymbol {
	readonly name: string
	readonly start: number
	readonly bytes: number
}

function covers({ start, bytes }: FunctionSymbol, at: number): boolean {
	return start <= at && at < start + bytes
}

/** Functions in the symbol table of a 64-bit ELF file, those that are not exported too; none in a file without one. */
function functionSymbols(file: Uint8Array): FunctionSymbol[] {
	const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
	const wide = (at: number) => Number(view.getBigUint64(at, true))
	const [tableType, functionType, symbolBytes] = [2, 2, 24]
	const [sections, sectionBytes, count] = [
		wide(0x28),
		view.getUint16(0x3a, true),
		view.getUint16(0x3c, true),
	]
	const section = (index: number) => sections + index * sectionBytes
	const table = Array.from({ length: count }, (_, index) => section(index)).find(
		(at) => view.getUint32(at + 4, true) === tableType,
	)
	if (table === undefined) return []
	const [start, size] = [wide(table + 0x18), wide(table + 0x20)]
	const names = wide(section(view.getUint32(table + 0x28, true)) + 0x18)
	const nameAt = (at: number) => new TextDecoder().decode(file.subarray(at, file.indexOf(0, at)))
	return Array.from({ length: size / symbolBytes }, (_, index) => start + index * symbolBytes)
		.filter((at) => (view.getUint8(at + 4) & 15) === functionType)
		.map((at) => ({
			name: nameAt(names + view.getUint32(at, true)),
			start: wide(at + 8),
			bytes: wide(at + 16),
		}))
}

function readOrEmpty(path: string): string {
	try {
		return readFileSync(path, 'utf8').trim()
	} catch {
		return ''
	}
}
