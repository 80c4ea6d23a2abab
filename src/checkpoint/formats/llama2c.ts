/*
 * Files of llama2.c: sizes, then all numbers without names, in an order that goes by the version. Version
 * 0 has neither magic nor version; 2 has its matrices as bytes with a scale for each group of them.
 * https://github.com/karpathy/llama2.c/blob/master/export.py
 */
import type { Kernels } from '../../kernels/binding.ts'
import { CONTEXT_LENGTH_MIN, MODEL_LIMITS } from '../../model/config-fields.ts'
import type { LlamaConfig } from '../../model/model-config.ts'
import { parseHuggingFaceTokenizer } from '../../tokenizer/huggingface.ts'
import { parseLlama2cTokenizer } from '../../tokenizer/llama2c.ts'
import type { TokenizerSpec } from '../../tokenizer/tokenizer.ts'
import { ByteCursor } from './byte-cursor.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import type { ModelDirectory } from './model-directory.ts'
import { numberReader } from './number-format.ts'
import { interleavedHalves, reordered } from './row-order.ts'
import type { CheckpointFile, StoredTensor, TensorReader } from './types.ts'

export const LLAMA2C_TOKENIZERS = ['tokenizer.bin', 'tokenizer.model'] as const

/** Files of other tools that end alike. */
const OTHER_FILES =
	/^(?:tokenizer|optimizer|scheduler|training_args|scaler|pytorch_model.*|adapter_.*)\.bin$/

export function isLlama2cName(name: string): boolean {
	return name.endsWith('.bin') && !OTHER_FILES.test(name)
}

/** `ak42`, little-endian. */
const MAGIC = 0x616b3432
/** Bytes of the header since version 1. */
const HEADER_BYTES = 256
const VERSIONS = [1, 2]
const TOKENIZER_BYTES_MAX = 2 ** 26

interface Header {
	readonly version: number
	readonly dim: number
	readonly hiddenDim: number
	readonly nLayer: number
	readonly nHead: number
	readonly nKvHead: number
	readonly vocabSize: number
	readonly contextLength: number
	readonly tiesHead: boolean
	/** Numbers that share a scale; only of version 2. */
	readonly groupSize: number
	/** Where the numbers begin. */
	readonly dataStart: number
}

/** Reads the structure of a model: all of it but the numbers. Throws CheckpointError. */
export function openLlama2c(directory: ModelDirectory, name: string): CheckpointFile {
	return openLlama2cFile(directory.open(name), (vocabSize) => parseTokenizer(directory, vocabSize))
}

/** The same of a file whose tokenizer comes from elsewhere. */
export function openLlama2cFile(
	source: ByteSource,
	parseTokenizer: (vocabSize: number) => TokenizerSpec,
): CheckpointFile {
	const header = readHeader(source)
	const tensors = layout(source, header)
	return {
		form: 'llama2c',
		step: undefined,
		parseConfig: () => configOf(header),
		parseTokenizer: () => parseTokenizer(header.vocabSize),
		tensorsOf: () => tensors,
	}
}

function readHeader(source: ByteSource): Header {
	const cursor = new ByteCursor(source)
	const first = cursor.u32()
	const hasMagic = first === MAGIC
	const version = hasMagic ? cursor.u32() : 0
	if (hasMagic && !VERSIONS.includes(version)) {
		throw new CheckpointError(`version: expected 0, 1 or 2 of llama2.c, got ${version}`)
	}
	const size = (field: string, value: number, max: number): number => {
		if (value >= 1 && value <= max) return value
		throw new CheckpointError(`${field}: expected a size from 1 to ${max}, got ${value}`)
	}
	const dim = size('dim', hasMagic ? cursor.i32() : first | 0, MODEL_LIMITS.nEmbd)
	const hiddenDim = size('hidden_dim', cursor.i32(), MODEL_LIMITS.ffnDim)
	const nLayer = size('n_layers', cursor.i32(), MODEL_LIMITS.nLayer)
	const nHead = size('n_heads', cursor.i32(), MODEL_LIMITS.nHead)
	const nKvHead = size('n_kv_heads', cursor.i32(), MODEL_LIMITS.nHead)
	// In version 0 a negative vocabulary means a head of its own.
	const signedVocab = cursor.i32()
	const vocab = hasMagic ? signedVocab : Math.abs(signedVocab)
	const vocabSize = size('vocab_size', vocab, MODEL_LIMITS.vocabSize)
	const contextLength = size('max_seq_len', cursor.i32(), MODEL_LIMITS.contextLength)
	const tiesHead = hasMagic ? cursor.u8() !== 0 : signedVocab > 0
	const groupSize = version === 2 ? size('group_size', cursor.i32(), MODEL_LIMITS.ffnDim) : 0
	if (dim % (2 * nHead) !== 0) {
		throw new CheckpointError(
			`n_heads: expected heads of an even number of channels, which dim ${dim} divides into, got ${nHead}`,
		)
	}
	if (nHead % nKvHead !== 0) {
		throw new CheckpointError(`n_kv_heads: expected a divisor of n_heads ${nHead}, got ${nKvHead}`)
	}
	const dataStart = hasMagic ? HEADER_BYTES : cursor.position
	const sizes = { dim, hiddenDim, nLayer, nHead, nKvHead, vocabSize, contextLength }
	return { ...sizes, version, tiesHead, groupSize, dataStart }
}

function configOf(header: Header): LlamaConfig {
	const { dim, hiddenDim, nLayer, nHead, nKvHead, vocabSize, contextLength, tiesHead } = header
	if (contextLength < CONTEXT_LENGTH_MIN) {
		throw new CheckpointError(
			`max_seq_len: expected at least ${CONTEXT_LENGTH_MIN}, got ${contextLength}`,
		)
	}
	const headDim = dim / nHead
	return {
		family: 'llama',
		vocabSize,
		contextLength,
		nLayer,
		nEmbd: dim,
		nHead,
		nKvHead,
		headDim,
		ffnDim: hiddenDim,
		activation: 'swiglu',
		normEpsilon: 1e-5,
		hasQkvBias: false,
		hasAttentionOutBias: false,
		hasMlpBias: false,
		normsHeads: false,
		tiesHead,
		rotary: { channels: headDim, pairing: 'halves', theta: 10_000, scaling: { kind: 'none' } },
		windows: Array.from({ length: nLayer }, () => 0),
	}
}

/** A piece of the file: a tensor of each layer, or one. null: numbers that nobody needs. */
type Piece = readonly [name: string | null, ...shape: number[]]

/** All pieces of the file in their order. */
function piecesOf(header: Header): readonly Piece[] {
	const { version, dim, hiddenDim, nLayer, nHead, nKvHead, vocabSize, contextLength } = header
	const headDim = dim / nHead
	const ofLayers = (name: string, ...shape: number[]): Piece[] =>
		Array.from({ length: nLayer }, (_, i): Piece => [`layers.${i}.${name}.weight`, ...shape])
	const table: Piece = ['embed_tokens.weight', vocabSize, dim]
	const attentionNorms = ofLayers('input_layernorm', dim)
	const attention = [
		...ofLayers('self_attn.q_proj', dim, dim),
		...ofLayers('self_attn.k_proj', nKvHead * headDim, dim),
		...ofLayers('self_attn.v_proj', nKvHead * headDim, dim),
		...ofLayers('self_attn.o_proj', dim, dim),
	]
	const mlpNorms = ofLayers('post_attention_layernorm', dim)
	const mlp = [
		...ofLayers('mlp.gate_proj', hiddenDim, dim),
		...ofLayers('mlp.down_proj', dim, hiddenDim),
		...ofLayers('mlp.up_proj', hiddenDim, dim),
	]
	const norm: Piece = ['norm.weight', dim]
	const head: Piece[] = header.tiesHead ? [] : [['lm_head.weight', vocabSize, dim]]
	if (version === 0) {
		const frequencies: Piece = [null, contextLength, headDim]
		return [table, ...attentionNorms, ...attention, ...mlpNorms, ...mlp, norm, frequencies, ...head]
	}
	return [...attentionNorms, ...mlpNorms, norm, table, ...attention, ...mlp, ...head]
}

/** Where each tensor lies. Throws CheckpointError unless they fill the file exactly. */
function layout(source: ByteSource, header: Header): ReadonlyMap<string, StoredTensor> {
	const tensors = new Map<string, StoredTensor>()
	let position = header.dataStart
	for (const [name, ...shape] of piecesOf(header)) {
		const count = shape.reduce((product, size) => product * size, 1)
		const isGrouped = header.version === 2 && shape.length === 2
		if (isGrouped && count % header.groupSize !== 0) {
			throw new CheckpointError(
				`${name}: expected whole groups of group_size ${header.groupSize}, got ${count} numbers`,
			)
		}
		const start = position
		position += isGrouped ? count + (count / header.groupSize) * 4 : count * 4
		if (name === null) continue
		const open = (kernels: Kernels) => {
			const reader = isGrouped
				? groupReader(source, start, count, header.groupSize)
				: numberReader(kernels, source, 'f32', start)
			const hasHeads = /self_attn\.[qk]_proj/.test(name)
			if (!hasHeads) return reader
			return reordered(reader, shape, interleavedHalves(header.dim / header.nHead))
		}
		const format = isGrouped ? 'quantized' : 'f32'
		const dtype = isGrouped ? 'int8 groups' : 'F32'
		tensors.set(name, { name, shape, dtype, format, elements: [count, count], open })
	}
	if (position !== source.size) {
		throw new CheckpointError(
			`expected a file size of ${position} bytes by its header, got ${source.size}`,
		)
	}
	return tensors
}

/** Bytes that are read at a time, and their scales. */
const READ_NUMBERS = 2 ** 18

/** Signed bytes of all numbers, then the scales of their groups. */
function groupReader(
	source: ByteSource,
	start: number,
	count: number,
	groupSize: number,
): TensorReader {
	let at = 0
	return {
		read(out) {
			for (let done = 0; done < out.length; ) {
				const length = Math.min(READ_NUMBERS, out.length - done)
				const bytes = new Int8Array(length)
				source.read(new Uint8Array(bytes.buffer), start + at)
				const first = Math.floor(at / groupSize)
				const last = Math.floor((at + length - 1) / groupSize)
				const scales = new Float32Array(last - first + 1)
				source.read(new Uint8Array(scales.buffer), start + count + first * 4)
				for (let i = 0; i < length; i++) {
					out[done + i] = bytes[i]! * scales[Math.floor((at + i) / groupSize) - first]!
				}
				at += length
				done += length
			}
		},
		expectEnd() {},
	}
}

function parseTokenizer(directory: ModelDirectory, vocabSize: number): TokenizerSpec {
	const own = directory.readBytes('tokenizer.bin', TOKENIZER_BYTES_MAX)
	if (own !== undefined) return parseLlama2cTokenizer(own, vocabSize)
	const model = directory.readBytes('tokenizer.model', TOKENIZER_BYTES_MAX)
	if (model === undefined) {
		throw new CheckpointError(
			`tokenizer: expected ${LLAMA2C_TOKENIZERS.join(' or ')} beside the model, got neither`,
		)
	}
	return parseHuggingFaceTokenizer({
		tokenizer: undefined,
		model,
		vocab: undefined,
		merges: undefined,
		config: undefined,
		chatTemplate: undefined,
		specialTokens: undefined,
		endTokenIds: [],
	})
}
