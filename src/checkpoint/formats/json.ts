/*
 * The JSON form: one object with modelConfig, params, optimizerState, tokenizerArtifacts.
 * The first pass notes where everything is, at memory speed; the numbers of a tensor are parsed
 * from the file when it is read. Neither holds more than one window of text.
 */

import { type Kernels, pointerOf } from '../../kernels/binding.ts'
import { parseModelConfig } from '../../model/parse-model-config.ts'
import { parseTokenizerSpec } from '../../tokenizer/tokenizer-spec.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { CLOSE_BRACKET, COMMA, isJsonSpace, OPEN_BRACKET } from './json-bytes.ts'
import { type ByteRange, JsonCursor } from './json-cursor.ts'
import {
	type CheckpointFile,
	type StoredTensor,
	TENSOR_COUNT_MAX,
	TENSOR_NAME_LENGTH_MAX,
	type TensorReader,
} from './types.ts'

/** Text held at a time. Large enough for few system calls, small enough for the processor's cache. */
const WINDOW_BYTES = 2 ** 20

const MODEL_CONFIG_BYTES_MAX = 2 ** 20
const TOKENIZER_BYTES_MAX = 2 ** 24
const SHAPE_BYTES_MAX = 1024
const STEP_BYTES_MAX = 64

/** How much of the text at fault an error message looks at. */
const SHOWN_BYTES_MAX = 24

/** Finds the parts of a JSON checkpoint; its keys may come in any order. */
export function openJson(source: ByteSource): CheckpointFile {
	const cursor = new JsonCursor(source, WINDOW_BYTES)
	const parts = new Map<string, unknown>()
	let tensors: ReadonlyMap<string, StoredTensor> | undefined
	cursor.eachEntry('checkpoint', (key) => {
		if (parts.has(key)) throw new CheckpointError(`${key}: expected once, got twice`)
		switch (key) {
			case 'modelConfig':
				parts.set(key, cursor.readValue(key, MODEL_CONFIG_BYTES_MAX))
				return
			case 'tokenizerArtifacts':
				parts.set(key, cursor.readValue(key, TOKENIZER_BYTES_MAX))
				return
			case 'step':
				parts.set(key, cursor.readValue(key, STEP_BYTES_MAX))
				return
			case 'params':
				tensors = indexParams(source, cursor)
				parts.set(key, true)
				return
			default:
				cursor.skipValue(key)
		}
	})
	cursor.expectEnd()
	if (tensors === undefined) throw new CheckpointError('params: expected an object, got nothing')
	const params = tensors
	return {
		form: 'json',
		step: parts.get('step'),
		parseConfig: () => parseModelConfig(parts.get('modelConfig'), 'json'),
		parseTokenizer: () => parseTokenizerSpec(parts.get('tokenizerArtifacts'), 'json'),
		tensorsOf: () => params,
	}
}

function indexParams(source: ByteSource, cursor: JsonCursor): ReadonlyMap<string, StoredTensor> {
	const tensors = new Map<string, StoredTensor>()
	// Tensors are read one at a time, so one window serves them all.
	let window: Uint8Array | undefined
	cursor.eachEntry('params', (name) => {
		if (name.length > TENSOR_NAME_LENGTH_MAX || tensors.size === TENSOR_COUNT_MAX) {
			throw new CheckpointError(
				`params: expected at most ${TENSOR_COUNT_MAX} names of ${TENSOR_NAME_LENGTH_MAX} characters`,
			)
		}
		if (tensors.has(name)) throw new CheckpointError(`${name}: expected once, got twice`)
		let shapeJson: unknown
		let data: ByteRange | undefined
		cursor.eachEntry(name, (key) => {
			const path = `${name}.${key}`.slice(0, TENSOR_NAME_LENGTH_MAX)
			if (key === 'shape') shapeJson = cursor.readValue(path, SHAPE_BYTES_MAX)
			else if (key === 'data') data = cursor.skipValue(path)
			else cursor.skipValue(path)
		})
		if (data === undefined) {
			throw new CheckpointError(`${name}.data: expected an array, got nothing`)
		}
		const range = data
		tensors.set(name, {
			name,
			shape: shapeJson,
			dtype: 'F32',
			format: 'f32',
			// A number and its comma take two bytes, the brackets one number's worth.
			elements: [0, Math.ceil((range.end - range.start) / 2)],
			open(kernels) {
				window ??= new Uint8Array(WINDOW_BYTES)
				return new NumberReader({ name, source, range, window, kernels })
			},
		})
	})
	return tensors
}

/** Parses the numbers of one JSON array, window by window. */
class NumberReader implements TensorReader {
	readonly #name: string
	readonly #source: ByteSource
	readonly #range: ByteRange
	readonly #window: Uint8Array
	readonly #kernels: Kernels
	readonly #consumed = new BigInt64Array(1)
	/** File offset of the window's first byte; [#at, #filled) is text that is not parsed yet. */
	#windowStart: number
	#at = 0
	#filled = 0
	#count = 0

	constructor(options: {
		name: string
		source: ByteSource
		range: ByteRange
		window: Uint8Array
		kernels: Kernels
	}) {
		this.#name = options.name
		this.#source = options.source
		this.#range = options.range
		this.#window = options.window
		this.#kernels = options.kernels
		this.#windowStart = options.range.start
		if (this.#nextByte() !== OPEN_BRACKET) this.#refuse('an array')
		this.#at++
		if (this.#nextByte() === COMMA) this.#refuse('a number')
	}

	read(out: Float32Array): void {
		const outStart = pointerOf(out)
		const windowStart = pointerOf(this.#window)
		for (let done = 0; done < out.length; ) {
			const next = this.#nextByte()
			if (next === CLOSE_BRACKET) {
				throw new CheckpointError(
					`${this.#name}: expected more numbers, got ${this.#count} at the end of its data`,
				)
			}
			if (this.#count > 0 && next !== COMMA) this.#refuse('a comma or a closing bracket')
			const isLast = this.#windowStart + this.#filled === this.#range.end
			const count = this.#kernels.parseJsonFloats(
				windowStart + this.#at,
				this.#filled - this.#at,
				isLast ? 1 : 0,
				outStart + done * Float32Array.BYTES_PER_ELEMENT,
				out.length - done,
				pointerOf(this.#consumed),
			)
			this.#at += Number(this.#consumed[0])
			if (count < 0) this.#refuse('a number')
			done += count
			this.#count += count
			if (done < out.length && count === 0 && !this.#slide()) this.#refuse('a number')
		}
	}

	expectEnd(): void {
		if (this.#nextByte() === CLOSE_BRACKET) return
		if (this.#nextByte() !== COMMA) this.#refuse('a comma or a closing bracket')
		throw new CheckpointError(
			`${this.#name}: expected ${this.#count} numbers in its data, got more`,
		)
	}

	/** Next byte that is not white space; the range ends with a bracket, so there is one. */
	#nextByte(): number | undefined {
		for (;;) {
			while (this.#at < this.#filled && isJsonSpace(this.#window[this.#at]!)) this.#at++
			if (this.#at < this.#filled) return this.#window[this.#at]
			if (!this.#slide()) return undefined
		}
	}

	/** Moves the window over the text that is not parsed yet; false when that brings nothing new. */
	#slide(): boolean {
		const rest = this.#filled - this.#at
		const position = this.#windowStart + this.#filled
		const length = Math.min(this.#window.length - rest, this.#range.end - position)
		if (length === 0) return false
		this.#window.copyWithin(0, this.#at, this.#filled)
		this.#source.read(this.#window.subarray(rest, rest + length), position)
		this.#windowStart += this.#at
		this.#at = 0
		this.#filled = rest + length
		return true
	}

	#refuse(expected: string): never {
		const piece = this.#window.subarray(
			this.#at,
			Math.min(this.#at + SHOWN_BYTES_MAX, this.#filled),
		)
		const [text = ''] = new TextDecoder().decode(piece).split(/[\s,[\]{}]/, 1)
		const found = text === '' && piece.length > 0 ? String.fromCharCode(piece[0]!) : text
		throw new CheckpointError(
			`${this.#name}: expected ${expected} at byte ${this.#windowStart + this.#at}, ` +
				`got ${JSON.stringify(found)}`,
		)
	}
}
