import { join } from 'node:path'
import { openRegularFile } from '../checkpoint/store/files.ts'
import { isSafeName } from '../checkpoint/store/names.ts'

/** A file of a run, to be read once. */
export interface RunFile {
	readonly sizeBytes: number
	/** Dispose of it, or read it to its end. */
	readonly chunks: AsyncGenerator<Uint8Array, void>
}

const CHUNK_BYTES = 2 ** 18
const NEWLINE = 0x0a

/**
 * Opens a file of the run directory `path`; null where there is none of that name. Of logs only whole
 * lines are there: the last one may be being written.
 */
export async function openRunFile(path: string, name: string): Promise<RunFile | null> {
	if (!isSafeName(name)) return null
	const file = await openRegularFile(join(path, name)).catch(() => null)
	if (file === null) return null
	try {
		const { size } = await file.stat()
		const read = async (buffer: Uint8Array, position: number) => {
			return (await file.read(buffer, 0, buffer.length, position)).bytesRead
		}
		const end = name.endsWith('.jsonl') ? await endOfLines(read, size) : size
		const chunks = async function* () {
			try {
				for (let position = 0; position < end; ) {
					const buffer = new Uint8Array(Math.min(CHUNK_BYTES, end - position))
					const bytesRead = await read(buffer, position)
					if (bytesRead === 0) throw new Error(`${name} has become shorter`)
					position += bytesRead
					yield buffer.subarray(0, bytesRead)
				}
			} finally {
				await file.close()
			}
		}
		return { sizeBytes: end, chunks: chunks() }
	} catch (error) {
		await file.close()
		throw error
	}
}

/** Where the last whole line ends. */
async function endOfLines(
	read: (buffer: Uint8Array, position: number) => Promise<number>,
	size: number,
): Promise<number> {
	for (let end = size; end > 0; ) {
		const start = Math.max(0, end - CHUNK_BYTES)
		const buffer = new Uint8Array(end - start)
		await read(buffer, start)
		const newline = buffer.lastIndexOf(NEWLINE)
		if (newline !== -1) return start + newline + 1
		end = start
	}
	return 0
}
