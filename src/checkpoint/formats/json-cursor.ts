import { JSON_DEPTH_MAX, nestsDeeperThan } from '../../lib/json-scan.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import {
	CLOSE_BRACE,
	COLON,
	COMMA,
	isJsonDelimiter,
	isJsonSpace,
	OPEN_BRACE,
	QUOTE,
} from './json-bytes.ts'
import { JsonValueScanner } from './json-value-scanner.ts'

/** Longest key that is read, quotes included. */
const KEY_BYTES_MAX = 1024

/** Where a value stands in its file. */
export interface ByteRange {
	readonly start: number
	readonly end: number
}

/**
 * Walks over a JSON file of any size through one window. Values are entered, read or skipped in file
 * order. Throws CheckpointError with the byte offset where the text is not what the caller expects.
 */
export class JsonCursor {
	readonly #source: ByteSource
	readonly #window: Uint8Array
	/** The part of the window that holds file content, and where in the file it begins. */
	#filled: Uint8Array
	#windowStart = 0
	#at = 0

	constructor(source: ByteSource, windowBytes: number) {
		this.#source = source
		this.#window = new Uint8Array(Math.min(windowBytes, source.size))
		this.#filled = this.#window.subarray(0, 0)
	}

	/** Offset in the file of the next byte. */
	get offset(): number {
		return this.#windowStart + this.#at
	}

	/**
	 * Calls `onEntry` with each key of the object that starts here; `onEntry` must consume the value.
	 * Leaves the cursor behind the closing brace.
	 */
	eachEntry(path: string, onEntry: (key: string) => void): void {
		if (this.#nextByte() !== OPEN_BRACE) this.#refuse(path, 'an object')
		this.#at++
		if (this.#nextByte() === CLOSE_BRACE) {
			this.#at++
			return
		}
		for (;;) {
			if (this.#nextByte() !== QUOTE) this.#refuse(path, 'a key')
			const key = this.readValue(path, KEY_BYTES_MAX)
			if (this.#nextByte() !== COLON) this.#refuse(path, 'a colon')
			this.#at++
			onEntry(String(key))
			const byte = this.#nextByte()
			if (byte !== COMMA && byte !== CLOSE_BRACE) this.#refuse(path, 'a comma or a closing brace')
			this.#at++
			if (byte === CLOSE_BRACE) return
		}
	}

	/** Parses the value that starts here. */
	readValue(path: string, bytesMax: number): unknown {
		const pieces: Uint8Array[] = []
		let bytes = 0
		const { start } = this.#scan(path, (piece) => {
			bytes += piece.length
			if (bytes > bytesMax) {
				throw new CheckpointError(`${path}: expected at most ${bytesMax} bytes, got more`)
			}
			pieces.push(piece.slice())
		})
		return parseJson(Buffer.concat(pieces), `${path}, at byte ${start}`)
	}

	/** Passes over the value that starts here without looking into it. */
	skipValue(path: string): ByteRange {
		return this.#scan(path, () => {})
	}

	/** Checks that only white space follows. */
	expectEnd(): void {
		if (this.#nextByte() !== undefined) {
			throw new CheckpointError(
				`expected the end of the file behind the object, got more at byte ${this.offset}`,
			)
		}
	}

	#scan(path: string, onPiece: (piece: Uint8Array) => void): ByteRange {
		const first = this.#nextByte()
		if (first === undefined || isJsonDelimiter(first)) this.#refuse(path, 'a value')
		const scanner = new JsonValueScanner()
		const start = this.offset
		while (!scanner.isDone) {
			if (!this.#fill()) this.#refuse(path, 'the rest of the value')
			const end = scanner.push(this.#filled, this.#at)
			onPiece(this.#filled.subarray(this.#at, end))
			this.#at = end
		}
		return { start, end: this.offset }
	}

	/** Next byte that is not white space, without consuming it; undefined at the end. */
	#nextByte(): number | undefined {
		while (this.#fill()) {
			const byte = this.#filled[this.#at]!
			if (!isJsonSpace(byte)) return byte
			this.#at++
		}
		return undefined
	}

	/** Makes sure that the window holds the next byte; false at the end of the file. */
	#fill(): boolean {
		if (this.#at < this.#filled.length) return true
		const position = this.offset
		if (position >= this.#source.size) return false
		const length = Math.min(this.#window.length, this.#source.size - position)
		this.#filled = this.#window.subarray(0, length)
		this.#source.read(this.#filled, position)
		this.#windowStart = position
		this.#at = 0
		return true
	}

	#refuse(path: string, expected: string): never {
		const byte = this.#nextByte()
		const found = byte === undefined ? 'the end of the file' : describeByte(byte)
		throw new CheckpointError(`${path}: expected ${expected} at byte ${this.offset}, got ${found}`)
	}
}

/** Parses a whole JSON text. Throws CheckpointError, also for bytes that are not UTF-8 and deep nesting. */
export function parseJson(bytes: Uint8Array, path: string): unknown {
	try {
		const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
		if (!nestsDeeperThan(text, JSON_DEPTH_MAX)) return JSON.parse(text)
	} catch (cause) {
		throw new CheckpointError(`${path}: expected valid JSON in UTF-8`, { cause })
	}
	throw new CheckpointError(
		`${path}: expected at most ${JSON_DEPTH_MAX} brackets within each other, got more`,
	)
}

function describeByte(byte: number): string {
	return byte > 0x20 && byte < 0x7f
		? `'${String.fromCharCode(byte)}'`
		: `byte 0x${byte.toString(16).padStart(2, '0')}`
}
