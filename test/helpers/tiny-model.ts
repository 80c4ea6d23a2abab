/** A GPT-2 of Hugging Face with 700 parameters and the 256 bytes as tokens, as files. */

/** Bytes as the characters that GPT-2's vocabularies show them as. */
function byteCharacters(): string[] {
	const isShown = (byte: number) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173)
	let next = 256
	return Array.from({ length: 256 }, (_, byte) =>
		String.fromCharCode(isShown(byte) ? byte : next++),
	)
}

const WIDTH = 2

/** Names and shapes of its tensors, in the order of the file. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
	'wte.weight': [256, WIDTH],
	'wpe.weight': [8, WIDTH],
	'h.0.ln_1.weight': [WIDTH],
	'h.0.ln_1.bias': [WIDTH],
	'h.0.attn.c_attn.weight': [WIDTH, 3 * WIDTH],
	'h.0.attn.c_attn.bias': [3 * WIDTH],
	'h.0.attn.c_proj.weight': [WIDTH, WIDTH],
	'h.0.attn.c_proj.bias': [WIDTH],
	'h.0.ln_2.weight': [WIDTH],
	'h.0.ln_2.bias': [WIDTH],
	'h.0.mlp.c_fc.weight': [WIDTH, 4 * WIDTH],
	'h.0.mlp.c_fc.bias': [4 * WIDTH],
	'h.0.mlp.c_proj.weight': [4 * WIDTH, WIDTH],
	'h.0.mlp.c_proj.bias': [WIDTH],
	'ln_f.weight': [WIDTH],
	'ln_f.bias': [WIDTH],
}

/** The files of a model that carries `version` in its first weight, its config and its merges. */
export function tinyModelFiles(version: number): ReadonlyMap<string, Uint8Array> {
	const config = {
		model_type: 'gpt2',
		vocab_size: 256,
		n_positions: 8,
		n_embd: WIDTH,
		n_layer: 1,
		n_head: 1,
		version,
	}
	const vocab = Object.fromEntries(byteCharacters().map((character, id) => [character, id]))
	return new Map<string, Uint8Array>([
		['config.json', Buffer.from(JSON.stringify(config))],
		['vocab.json', Buffer.from(JSON.stringify(vocab))],
		['merges.txt', Buffer.from(`#version: ${version}\n`)],
		['model.safetensors', safetensors(version)],
	])
}

function safetensors(version: number): Uint8Array {
	let offset = 0
	const entries = Object.entries(SHAPES).map(([name, shape]) => {
		const begin = offset
		offset += 4 * shape.reduce((product, size) => product * size, 1)
		return [name, { dtype: 'F32', shape, data_offsets: [begin, offset] }] as const
	})
	const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)))
	const length = Buffer.alloc(8)
	length.writeBigUInt64LE(BigInt(header.length))
	const numbers = Float32Array.from({ length: offset / 4 }, (_, i) => (i % 7) / 10)
	numbers[0] = version
	return Buffer.concat([length, header, new Uint8Array(numbers.buffer)])
}

/** The version of a model that lies in files. Throws for a mix of two. */
export function tinyModelVersion(read: (file: string) => Uint8Array): number {
	const weights = read('model.safetensors')
	const start = 8 + Number(Buffer.from(weights).readBigUInt64LE(0))
	const first = new DataView(weights.buffer, weights.byteOffset).getFloat32(start, true)
	const { version } = JSON.parse(Buffer.from(read('config.json')).toString()) as { version: number }
	const merges = Number(Buffer.from(read('merges.txt')).toString().slice('#version: '.length))
	if (first === version && version === merges) return version
	throw new Error(`a mix: weights ${first}, config ${version}, merges ${merges}`)
}
