/** A directory that another trainer's tools wrote: small files read whole, large ones opened. */
import { join } from 'node:path'
import { type ByteSource, openFileSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { parseJson } from './json-cursor.ts'

export interface ModelFile {
	readonly name: string
	/** The state that is meant (`identityOf`): another one is `unreadable`. */
	readonly identity?: string
}

export class ModelDirectory implements Disposable {
	readonly #path: string
	/** Names with the states that are meant, where one is. */
	readonly #files: ReadonlyMap<string, string | undefined>
	/** Files that stay open while tensors are read. */
	readonly #open = new DisposableStack()
	readonly #sources: ByteSource[] = []

	/** `files` are those of the directory that may be read. */
	constructor(path: string, files: readonly ModelFile[]) {
		this.#path = path
		this.#files = new Map(files.map(({ name, identity }) => [name, identity]))
	}

	has(name: string): boolean {
		return this.#files.has(name)
	}

	get names(): readonly string[] {
		return [...this.#files.keys()]
	}

	/**
	 * Opens a file of the directory until it is disposed. Throws CheckpointError for names that are not
	 * in it, so none that a file mentions leads out of it.
	 */
	open(name: string): ByteSource {
		if (!this.#files.has(name)) {
			const shown = JSON.stringify(name.slice(0, 120))
			throw new CheckpointError(`expected a file ${shown} in the directory, got none`)
		}
		const source = this.#open.use(openFileSource(join(this.#path, name), this.#files.get(name)))
		this.#sources.push(source)
		return source
	}

	/** Checks that each opened file is in the state in which it was opened. Throws CheckpointError. */
	expectUnchanged(): void {
		for (const source of this.#sources) source.expectUnchanged()
	}

	/** A whole file of at most `bytesMax`; undefined when it is not there. Throws CheckpointError. */
	readBytes(name: string, bytesMax: number): Uint8Array | undefined {
		if (!this.#files.has(name)) return undefined
		using source = openFileSource(join(this.#path, name), this.#files.get(name))
		if (source.size > bytesMax) {
			throw new CheckpointError(`${name}: expected at most ${bytesMax} bytes, got ${source.size}`)
		}
		const bytes = new Uint8Array(source.size)
		source.read(bytes, 0)
		return bytes
	}

	readText(name: string, bytesMax: number): string | undefined {
		const bytes = this.readBytes(name, bytesMax)
		return bytes && Buffer.from(bytes).toString('utf8')
	}

	/** A JSON file; undefined when it is not there. Throws CheckpointError. */
	readJson(name: string, bytesMax: number): unknown {
		const bytes = this.readBytes(name, bytesMax)
		if (bytes === undefined) return undefined
		const hasMark = BYTE_ORDER_MARK.every((byte, i) => bytes[i] === byte)
		try {
			return parseJson(hasMark ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes, name)
		} catch (error) {
			throw nonFiniteField(name, bytes) ?? error
		}
	}

	[Symbol.dispose](): void {
		this.#open.dispose()
	}
}

/** U+FEFF in UTF-8. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]

/** Python writes NaN and Infinity, which JSON does not know: say where. */
function nonFiniteField(name: string, bytes: Uint8Array): CheckpointError | undefined {
	const text = Buffer.from(bytes).toString('utf8')
	const [, field, value] = /"([^"]{1,80})"\s*:\s*(NaN|-?Infinity)/.exec(text) ?? []
	if (field === undefined) return undefined
	return new CheckpointError(`${name}: ${field}: expected a finite number, got ${value}`)
}
