/** What a file of machine code is, told by its header and by LLVM's readers; nothing is run. */
import { closeSync, openSync, readSync } from 'node:fs'

export interface BinaryFormat {
	readonly format: 'ELF' | 'Mach-O' | 'PE'
	readonly architecture: 'x64' | 'arm64'
}

/** Of an executable or library. Throws when it is neither of a known format nor of a known processor. */
export function formatOf(path: string): BinaryFormat {
	const head = readHead(path, 4096)
	if (head.getUint32(0) === 0x7f454c46) {
		return { format: 'ELF', architecture: architecture(head.getUint16(18, true), 0x3e, 0xb7) }
	}
	if (head.getUint32(0, true) === 0xfeedfacf) {
		const processor = head.getUint32(4, true)
		return { format: 'Mach-O', architecture: architecture(processor, 0x01000007, 0x0100000c) }
	}
	if (head.getUint16(0) === 0x4d5a) {
		const machine = head.getUint16(head.getUint32(60, true) + 4, true)
		return { format: 'PE', architecture: architecture(machine, 0x8664, 0xaa64) }
	}
	throw new Error(`${path}: expected ELF, Mach-O or PE`)
}

function readHead(path: string, length: number): DataView {
	const bytes = new Uint8Array(length)
	const fd = openSync(path, 'r')
	try {
		readSync(fd, bytes, 0, length, 0)
	} finally {
		closeSync(fd)
	}
	return new DataView(bytes.buffer)
}

function architecture(machine: number, x64: number, arm64: number): 'x64' | 'arm64' {
	if (machine === x64) return 'x64'
	if (machine === arm64) return 'arm64'
	throw new Error(`expected a processor of 0x${x64.toString(16)} or 0x${arm64.toString(16)}`)
}

/** Names of the functions that a library offers, without the underscore of Mach-O. */
export function exportsOf(path: string, { format }: BinaryFormat): string[] {
	if (format === 'PE') {
		return [...read('llvm-readobj-14', '--coff-exports', path).matchAll(/^\s+Name: (\w+)$/gm)].map(
			([, name = '']) => name,
		)
	}
	const table = format === 'ELF' ? ['-D'] : ['-g']
	const lines = read('llvm-nm-14', ...table, '--defined-only', path).matchAll(/ [TDSR] _?(\w+)$/gm)
	return [...lines].map(([, name = '']) => name)
}

/** The system's libraries that must be there to open it. */
export function neededBy(path: string): string[] {
	const [, list = ''] = /NeededLibraries \[\n([\s\S]*?)\]/.exec(
		read('llvm-readobj-14', '--needed-libs', path),
	) ?? [null, '']
	return list
		.split('\n')
		.map((line) => line.trim())
		.filter((line) => line !== '')
}

function read(...command: string[]): string {
	const { success, stdout, stderr } = Bun.spawnSync(command)
	if (!success) throw new Error(`${command.join(' ')} failed:\n${stderr}`)
	return stdout.toString()
}
