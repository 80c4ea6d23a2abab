import { open } from 'node:fs/promises'
import { join } from 'node:path'

const BLOCK_BYTES = 512
const READ_BYTES = 2 ** 18

/** Files of a directory as one tar file, in which they stand within `prefix`. Names are short and of ASCII. */
export async function* tarOf(
	directory: string,
	names: readonly string[],
	prefix: string,
): AsyncGenerator<Uint8Array, void> {
	for (const name of names) {
		await using file = await open(join(directory, name), 'r')
		const { size, mtimeMs } = await file.stat()
		yield header(`${prefix}${name}`, size, mtimeMs)
		for (let at = 0; at < size; ) {
			const bytes = new Uint8Array(Math.min(READ_BYTES, size - at))
			const { bytesRead } = await file.read(bytes, 0, bytes.length, at)
			if (bytesRead === 0) throw new Error('a file has become shorter')
			yield bytes.subarray(0, bytesRead)
			at += bytesRead
		}
		yield new Uint8Array(paddingOf(size))
	}
	yield new Uint8Array(2 * BLOCK_BYTES)
}

function paddingOf(size: number): number {
	return (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES
}

/** POSIX's "ustar"; a size beyond its 11 octal digits in GNU's binary form. */
function header(name: string, size: number, mtimeMs: number): Uint8Array {
	const block = Buffer.alloc(BLOCK_BYTES)
	const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
	block.write(name, 0)
	block.write(octal(0o644, 7), 100)
	block.write(octal(0, 7), 108)
	block.write(octal(0, 7), 116)
	if (size < 8 ** 11) {
		block.write(octal(size, 11), 124)
	} else {
		block.writeUInt8(0x80, 124)
		block.writeBigUInt64BE(BigInt(size), 128)
	}
	block.write(octal(Math.floor(mtimeMs / 1000), 11), 136)
	block.write('        ', 148)
	block.write('0', 156)
	block.write('ustar\0', 257)
	block.write('00', 263)
	const sum = block.reduce((total, byte) => total + byte, 0)
	block.write(`${octal(sum, 6)}\0 `, 148)
	return block
}
