/** Directories of other trainers with a GPT-2 of random weights, for measurements of loading. */
import { closeSync, copyFileSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'

/** Sizes of the smallest GPT-2: 124 million parameters. */
export const GPT2_SIZES = { vocab: 50_257, context: 1024, layers: 12, width: 768, heads: 12 }

export const FOREIGN_FORMATS = [
	'safetensors f32',
	'safetensors f16',
	'safetensors bf16',
	'torch zip f32',
] as const
export type ForeignFormat = (typeof FOREIGN_FORMATS)[number]

interface Tensor {
	readonly name: string
	readonly shape: readonly number[]
}

/** In the order of the file, matrices as [in, out]. */
function tensors({ vocab, context, layers, width }: typeof GPT2_SIZES): readonly Tensor[] {
	const norm = (name: string) => [
		{ name: `${name}.weight`, shape: [width] },
		{ name: `${name}.bias`, shape: [width] },
	]
	const linear = (name: string, inputs: number, outputs: number) => [
		{ name: `${name}.weight`, shape: [inputs, outputs] },
		{ name: `${name}.bias`, shape: [outputs] },
	]
	return [
		{ name: 'wte.weight', shape: [vocab, width] },
		{ name: 'wpe.weight', shape: [context, width] },
		...Array.from({ length: layers }, (_, i) => [
			...norm(`h.${i}.ln_1`),
			...linear(`h.${i}.attn.c_attn`, width, 3 * width),
			...linear(`h.${i}.attn.c_proj`, width, width),
			...norm(`h.${i}.ln_2`),
			...linear(`h.${i}.mlp.c_fc`, width, 4 * width),
			...linear(`h.${i}.mlp.c_proj`, 4 * width, width),
		]).flat(),
		...norm('ln_f'),
	]
}

function elementsOf({ shape }: Tensor): number {
	return shape.reduce((product, size) => product * size, 1)
}

/** Writes a directory `<format>` with its config and the tokenizer of `tokenizerPath`; returns its path. */
export function writeForeignModel(
	directory: string,
	format: ForeignFormat,
	tokenizerPath: string,
	sizes = GPT2_SIZES,
): string {
	const path = join(directory, format.replaceAll(' ', '-'))
	mkdirSync(path)
	const { vocab, context, layers, width, heads } = sizes
	const config = {
		model_type: 'gpt2',
		vocab_size: vocab,
		n_positions: context,
		n_embd: width,
		n_layer: layers,
		n_head: heads,
	}
	writeFileSync(join(path, 'config.json'), JSON.stringify(config))
	copyFileSync(tokenizerPath, join(path, 'tokenizer.json'))
	const all = tensors(sizes)
	if (format === 'torch zip f32') writeTorch(join(path, 'pytorch_model.bin'), all)
	else writeSafetensors(join(path, 'model.safetensors'), all, format)
	return path
}

/** Small numbers as their bits; the same block again and again is random enough to be packed. */
function numbersOf(format: ForeignFormat): Uint8Array {
	const block = new Float32Array(2 ** 16)
	let state = 1
	for (let i = 0; i < block.length; i++) {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
		block[i] = (state / 2 ** 32 - 0.5) * 0.1
	}
	if (format.endsWith('f32')) return new Uint8Array(block.buffer)
	const bits = new Uint32Array(block.buffer)
	const isBrain = format.endsWith('bf16')
	// A half has 5 bits of exponent, with bias 15 instead of 127; numbers too small for it become 0.
	const half = (b: number) => {
		const exponent = ((b >>> 23) & 0xff) - 112
		return ((b >>> 16) & 0x8000) | (exponent <= 0 ? 0 : (exponent << 10) | ((b >>> 13) & 0x3ff))
	}
	return new Uint8Array(Uint16Array.from(bits, (b) => (isBrain ? b >>> 16 : half(b))).buffer)
}

function writeSafetensors(path: string, all: readonly Tensor[], format: ForeignFormat): void {
	const dtype = { f32: 'F32', f16: 'F16', bf16: 'BF16' }[
		format.split(' ')[1] as 'f32' | 'f16' | 'bf16'
	]
	const bytes = dtype === 'F32' ? 4 : 2
	let end = 0
	const entries = all.map((tensor) => {
		const begin = end
		end += elementsOf(tensor) * bytes
		return [tensor.name, { dtype, shape: tensor.shape, data_offsets: [begin, end] }]
	})
	const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
	const length = Buffer.alloc(8)
	length.writeBigUInt64LE(BigInt(header.length))
	const file = openSync(path, 'w')
	writeSync(file, length)
	writeSync(file, header)
	writeRepeated(file, numbersOf(format), end)
	closeSync(file)
}

/** Returns the CRC-32 of what was written. */
function writeRepeated(file: number, block: Uint8Array, length: number): number {
	let sum = 0
	for (let done = 0; done < length; ) {
		const part = block.subarray(0, Math.min(block.length, length - done))
		sum = crc32(part, sum)
		done += writeSync(file, part)
	}
	return sum
}

/** A zip of stored entries as torch.save writes it: a pickled dict, and a storage for each tensor. */
function writeTorch(path: string, all: readonly Tensor[]): void {
	const file = openSync(path, 'w')
	const block = numbersOf('torch zip f32')
	const directory: Buffer[] = []
	let offset = 0
	const entry = (name: string, length: number, sum: number, write: () => void) => {
		const fields = zipFields(name, length, sum)
		const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name)])
		writeSync(file, local)
		write()
		const central = Buffer.alloc(14)
		central.writeUInt32LE(offset, 10)
		directory.push(
			Buffer.concat([
				Buffer.from('PK\x01\x02\x00\x00'),
				fields.subarray(0, 26),
				central,
				Buffer.from(name),
			]),
		)
		offset += local.length + length
	}
	const small = (name: string, bytes: Buffer) =>
		entry(name, bytes.length, crc32(bytes), () => writeSync(file, bytes))
	small('archive/data.pkl', pickledDict(all))
	small('archive/byteorder', Buffer.from('little'))
	for (const [key, tensor] of all.entries()) {
		const length = elementsOf(tensor) * 4
		entry(`archive/data/${key}`, length, sumOf(block, length), () =>
			writeRepeated(file, block, length),
		)
	}
	small('archive/version', Buffer.from('3\n'))
	const listing = Buffer.concat(directory)
	writeSync(file, listing)
	const end = Buffer.alloc(22)
	end.write('PK\x05\x06')
	end.writeUInt16LE(directory.length, 8)
	end.writeUInt16LE(directory.length, 10)
	end.writeUInt32LE(listing.length, 12)
	end.writeUInt32LE(offset, 16)
	writeSync(file, end)
	closeSync(file)
}

function sumOf(block: Uint8Array, length: number): number {
	let sum = 0
	for (let done = 0; done < length; done += block.length) {
		sum = crc32(block.subarray(0, Math.min(block.length, length - done)), sum)
	}
	return sum
}

/** What local and central headers have in common, from the version on. */
function zipFields(name: string, length: number, sum: number): Buffer {
	const fields = Buffer.alloc(26)
	fields.writeUInt32LE(sum, 10)
	fields.writeUInt32LE(length, 14)
	fields.writeUInt32LE(length, 18)
	fields.writeUInt16LE(name.length, 22)
	return fields
}

function pickledDict(all: readonly Tensor[]): Buffer {
	const text = (value: string) => {
		const head = Buffer.alloc(5)
		head.write('X')
		head.writeUInt32LE(value.length, 1)
		return Buffer.concat([head, Buffer.from(value)])
	}
	const integer = (value: number) => {
		const bytes = Buffer.alloc(5)
		bytes.write('J')
		bytes.writeInt32LE(value, 1)
		return bytes
	}
	const global = (module: string, name: string) => Buffer.from(`c${module}\n${name}\n`)
	const tuple = (items: readonly Buffer[]) =>
		Buffer.concat([Buffer.from('('), ...items, Buffer.from('t')])
	const emptyTuple = Buffer.from(')')
	const orderedDict = Buffer.concat([
		global('collections', 'OrderedDict'),
		emptyTuple,
		Buffer.from('R'),
	])
	const entries = all.map((tensor, key) => {
		const { name, shape } = tensor
		const storage = tuple([
			text('storage'),
			global('torch', 'FloatStorage'),
			text(String(key)),
			text('cpu'),
			integer(elementsOf(tensor)),
		])
		const strides = shape.map((_, i) =>
			shape.slice(i + 1).reduce((product, size) => product * size, 1),
		)
		const place = [
			Buffer.concat([storage, Buffer.from('Q')]),
			integer(0),
			tuple(shape.map(integer)),
			tuple(strides.map(integer)),
			Buffer.from([0x89]),
			orderedDict,
		]
		const rebuild = global('torch._utils', '_rebuild_tensor_v2')
		return Buffer.concat([text(name), rebuild, tuple(place), Buffer.from('R')])
	})
	return Buffer.concat([
		Buffer.from([0x80, 2]),
		orderedDict,
		Buffer.from('('),
		...entries,
		Buffer.from('u.'),
	])
}
