/*
 * Writes a GGUF file of version 3: key-values, what each tensor is and where, then the numbers.
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */
import { closeSync, openSync } from 'node:fs'
import { toBf16, toQ8 } from './number-bytes.ts'
import { writeAll } from './write-all.ts'

/** Formats of the numbers; `Q8_0` is for rows of whole blocks of 32. */
export type GgufType = 'F32' | 'BF16' | 'Q8_0'

export type GgufField =
	| { readonly u32: number }
	| { readonly f32: number }
	| { readonly flag: boolean }
	| { readonly text: string }
	| { readonly texts: readonly string[] }
	| { readonly i32s: readonly number[] }
	| { readonly f32s: readonly number[] }

export interface GgufOutput {
	readonly name: string
	/** Row-major; the file has the sizes in the other order. */
	readonly shape: readonly number[]
	readonly type: GgufType
}

interface TypeRow {
	readonly number: number
	/** Numbers of a block, and its bytes. */
	readonly numbers: number
	readonly bytes: number
	encode(numbers: Float32Array): Uint8Array
}

const TYPES: Readonly<Record<GgufType, TypeRow>> = {
	F32: {
		number: 0,
		numbers: 1,
		bytes: 4,
		encode: ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
	},
	Q8_0: { number: 8, numbers: 32, bytes: 34, encode: toQ8 },
	BF16: { number: 30, numbers: 1, bytes: 2, encode: toBf16 },
}

const VERSION = 3
const ALIGNMENT = 32

/** The header first, then tensor after tensor in the announced order. */
export class GgufWriter implements Disposable {
	readonly #fd: number
	readonly #tensors: readonly GgufOutput[]
	#written = 0

	constructor(
		path: string,
		values: ReadonlyMap<string, GgufField>,
		tensors: readonly GgufOutput[],
	) {
		this.#tensors = tensors
		this.#fd = openSync(path, 'wx')
		writeAll(this.#fd, headerOf(values, tensors))
	}

	/** All numbers of the next tensor. */
	write(numbers: Float32Array): void {
		const { type } = this.#tensors[this.#written++]!
		const bytes = TYPES[type].encode(numbers)
		writeAll(this.#fd, bytes)
		writeAll(this.#fd, new Uint8Array(padded(bytes.byteLength) - bytes.byteLength))
	}

	[Symbol.dispose](): void {
		closeSync(this.#fd)
	}
}

function headerOf(
	values: ReadonlyMap<string, GgufField>,
	tensors: readonly GgufOutput[],
): Uint8Array {
	const fields = new Fields()
	fields.add(Buffer.from('GGUF'))
	fields.u32(VERSION)
	fields.u64(tensors.length)
	fields.u64(values.size)
	for (const [key, field] of values) {
		fields.text(key)
		writeField(fields, field)
	}
	let offset = 0
	for (const { name, shape, type } of tensors) {
		const { number, numbers, bytes } = TYPES[type]
		fields.text(name)
		fields.u32(shape.length)
		for (const size of shape.toReversed()) fields.u64(size)
		fields.u32(number)
		fields.u64(offset)
		offset += padded((shape.reduce((product, size) => product * size, 1) / numbers) * bytes)
	}
	return fields.finish()
}

/** Numbers of the types of values. */
const U32 = 4
const I32 = 5
const F32 = 6
const BOOL = 7
const TEXT = 8
const ARRAY = 9

function writeField(fields: Fields, field: GgufField): void {
	if ('u32' in field) {
		fields.u32(U32)
		fields.u32(field.u32)
	} else if ('f32' in field) {
		fields.u32(F32)
		fields.numbers(Float32Array.of(field.f32))
	} else if ('flag' in field) {
		fields.u32(BOOL)
		fields.add(Uint8Array.of(field.flag ? 1 : 0))
	} else if ('text' in field) {
		fields.u32(TEXT)
		fields.text(field.text)
	} else if ('texts' in field) {
		fields.array(TEXT, field.texts.length)
		for (const text of field.texts) fields.text(text)
	} else if ('i32s' in field) {
		fields.array(I32, field.i32s.length)
		fields.numbers(Int32Array.from(field.i32s))
	} else {
		fields.array(F32, field.f32s.length)
		fields.numbers(Float32Array.from(field.f32s))
	}
}

function padded(bytes: number): number {
	return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
}

/** Little-endian fields one after another. */
class Fields {
	readonly #parts: Uint8Array[] = []

	add(bytes: Uint8Array): void {
		this.#parts.push(bytes)
	}

	u32(value: number): void {
		this.numbers(Uint32Array.of(value))
	}

	u64(value: number): void {
		this.numbers(BigUint64Array.of(BigInt(value)))
	}

	numbers({ buffer }: Uint32Array | Int32Array | Float32Array | BigUint64Array): void {
		this.add(new Uint8Array(buffer as ArrayBuffer))
	}

	text(value: string): void {
		const bytes = Buffer.from(value)
		this.u64(bytes.length)
		this.add(bytes)
	}

	array(type: number, length: number): void {
		this.u32(ARRAY)
		this.u32(type)
		this.u64(length)
	}

	/** All fields, padded to where the tensors begin. */
	finish(): Uint8Array {
		const bytes = Buffer.concat(this.#parts)
		return Buffer.concat([bytes, new Uint8Array(padded(bytes.length) - bytes.length)])
	}
}
