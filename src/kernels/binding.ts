/**
 * The kernel library as TypeScript functions: kernels.h line by line. The only file that imports
 * bun:ffi. Pointers are numbers (computed once by `pointerOf`, a call then costs some 10 ns); 64-bit
 * arguments and results are numbers too, `i64_fast` never makes a BigInt below 2^53.
 */
import { dlopen, type FFIFunction, ptr } from 'bun:ffi'

const symbols: Readonly<Record<string, FFIFunction>> = {
	select: { args: ['ptr'], returns: 'i32' },
	isa_name: { args: [], returns: 'cstring' },
	isa_list: { args: [], returns: 'cstring' },
	isa_supported: { args: ['ptr'], returns: 'i32' },
	threads_set: { args: ['i32'], returns: 'i32' },
	threads: { args: [], returns: 'i32' },
	packed_bytes: { args: ['i32', 'i32', 'i32'], returns: 'i64_fast' },
	pack: { args: ['i32', 'ptr', 'ptr', 'i32', 'i32', 'i32', 'i32'], returns: 'void' },
	first_nonfinite: { args: ['ptr', 'i64_fast'], returns: 'i64_fast' },
	parse_json_floats: {
		args: ['ptr', 'i64_fast', 'i32', 'ptr', 'i64_fast', 'ptr'],
		returns: 'i64_fast',
	},
	matmul_scratch_bytes: { args: ['i32', 'i32', 'i32'], returns: 'i64_fast' },
	matmul: {
		args: ['i32', 'ptr', 'i64_fast', 'ptr', 'i64_fast', 'ptr', 'i32', 'i32', 'i32', 'i32', 'ptr'],
		returns: 'void',
	},
	embed: {
		args: ['ptr', 'i64_fast', 'ptr', 'ptr', 'ptr', 'ptr', 'i32', 'i32'],
		returns: 'void',
	},
	layer_norm: {
		args: ['ptr', 'i64_fast', 'ptr', 'i64_fast', 'ptr', 'ptr', 'ptr', 'i32', 'i32'],
		returns: 'void',
	},
	kv_layer_floats: { args: ['i32', 'i32'], returns: 'i64_fast' },
	kv_store: {
		args: ['ptr', 'i64_fast', 'ptr', 'i64_fast', 'ptr', 'i32', 'i32', 'i32'],
		returns: 'void',
	},
	attention_scratch_bytes: { args: ['i32', 'i32'], returns: 'i64_fast' },
	attention: {
		args: [
			'ptr',
			'i64_fast',
			'ptr',
			'i64_fast',
			'ptr',
			'i64_fast',
			'ptr',
			'i32',
			'ptr',
			'i32',
			'i32',
			'f32',
			'ptr',
		],
		returns: 'void',
	},
	activation: {
		args: ['i32', 'ptr', 'i64_fast', 'i32', 'i32', 'ptr', 'ptr', 'i32'],
		returns: 'void',
	},
	mask_logits: { args: ['ptr', 'ptr', 'i32'], returns: 'void' },
	log_sum_exp: { args: ['ptr', 'i32'], returns: 'f64' },
	top_k: { args: ['ptr', 'i32', 'i32', 'ptr', 'ptr'], returns: 'void' },
	sample_scratch_bytes: { args: ['i32'], returns: 'i64_fast' },
	sample: {
		args: [
			'ptr',
			'ptr',
			'i64_fast',
			'i32',
			'i32',
			'ptr',
			'ptr',
			'ptr',
			'ptr',
			'ptr',
			'ptr',
			'ptr',
			'ptr',
			'ptr',
		],
		returns: 'void',
	},
	measure_read: { args: ['ptr', 'i64_fast'], returns: 'f32' },
	measure_fma: { args: ['i64_fast'], returns: 'f64' },
}

/** Address in this process's memory; 0 is NULL. */
export type Address = number

/** The functions of kernels.h, whose comments are their contract. Strings come back as strings. */
export interface Kernels {
	/** 0, -1 unknown name, -2 not supported by this processor. '' = the best one. */
	select(isa: string): number
	isaName(): string
	/** Names compiled into the library, best first. */
	isaList(): string[]
	isaSupported(isa: string): boolean
	threadsSet(threads: number): number
	threads(): number
	packedBytes(dtype: number, k: number, n: number): number
	pack(
		dtype: number,
		dst: Address,
		src: Address,
		columnStart: number,
		nSrc: number,
		k: number,
		n: number,
	): void
	firstNonfinite(x: Address, count: number): number
	parseJsonFloats(
		text: Address,
		length: number,
		isLast: number,
		out: Address,
		outMax: number,
		consumed: Address,
	): number
	matmulScratchBytes(dtype: number, m: number, k: number): number
	matmul(
		dtype: number,
		out: Address,
		ldo: number,
		x: Address,
		ldx: number,
		w: Address,
		m: number,
		k: number,
		n: number,
		accumulate: number,
		scratch: Address,
	): void
	embed(
		x: Address,
		ldx: number,
		wte: Address,
		wpe: Address,
		ids: Address,
		positions: Address,
		m: number,
		d: number,
	): void
	layerNorm(
		out: Address,
		ldo: number,
		x: Address,
		ldx: number,
		rows: Address,
		weight: Address,
		bias: Address,
		m: number,
		d: number,
	): void
	kvLayerFloats(nHead: number, dHead: number): number
	kvStore(
		kv: Address,
		blockStride: number,
		qkv: Address,
		ldq: number,
		slots: Address,
		m: number,
		nHead: number,
		dHead: number,
	): void
	attentionScratchBytes(maxContext: number, dHead: number): number
	attention(
		out: Address,
		ldo: number,
		qkv: Address,
		ldq: number,
		kv: Address,
		blockStride: number,
		runs: Address,
		nRuns: number,
		tables: Address,
		nHead: number,
		dHead: number,
		softCap: number,
		scratch: Address,
	): void
	activation(
		activation: number,
		u: Address,
		ldu: number,
		m: number,
		f: number,
		params: Address,
		program: Address,
		nOps: number,
	): void
	maskLogits(logits: Address, mask: Address, vocab: number): void
	logSumExp(logits: Address, vocab: number): number
	topK(logits: Address, vocab: number, k: number, ids: Address, values: Address): void
	sampleScratchBytes(vocab: number): number
	sample(
		outIds: Address,
		logits: Address,
		ldl: number,
		vocab: number,
		n: number,
		rows: Address,
		temperatures: Address,
		topKs: Address,
		topPs: Address,
		minPs: Address,
		seeds: Address,
		choices: Address,
		counters: Address,
		scratch: Address,
	): void
	measureRead(buffer: Address, bytes: number): number
	measureFma(iterations: number): number
}

/** Number formats of packed weights, as the kernels number them. */
export const kernelDtypes = { f32: 0, bf16: 1, int8: 2 } as const

/** Activations, as the kernels number them. */
export const kernelActivations = {
	gelu: 0,
	silu: 1,
	relu: 2,
	swiglu: 3,
	universal: 4,
	kan_spline: 5,
	composed: 6,
} as const

/** Instructions of a composed activation's postfix program. */
export const kernelOps = {
	silu: 0,
	relu: 1,
	gelu: 2,
	identity: 3,
	square: 4,
	scale: 5,
	add: 6,
	mul: 7,
} as const

/** Columns of a weight panel: leading dimensions of activations are multiples of it. */
export const panelColumns = 64

/** Tokens of a KV block. */
export const kvBlockTokens = 32

/** Opens the library at `path`; throws what the system's loader says when it cannot. */
export function openKernels(path: string): Kernels {
	const table = Object.entries(symbols).map(([name, type]) => [`kernels_${name}`, type] as const)
	const library = dlopen(path, Object.fromEntries(table)).symbols
	const call = Object.fromEntries(
		Object.keys(symbols).map((name) => [camelCase(name), library[`kernels_${name}`]]),
	) as unknown as Kernels & RawStrings
	const { select, isaName, isaList, isaSupported } = call as RawStrings
	return {
		...call,
		select: (isa: string) => select(cString(isa)),
		isaName: () => String(isaName()),
		isaList: () => String(isaList()).split(','),
		isaSupported: (isa: string) => isaSupported(cString(isa)) === 1,
	}
}

/**
 * Address of an array's first element. Valid while the caller keeps the array reachable; the array
 * must not be empty. Plain and shared memory.
 */
export function pointerOf(array: NodeJS.TypedArray): Address {
	// Short arrays live inside the garbage-collected heap until somebody asks for their buffer.
	void array.buffer
	return ptr(array) as number
}

/** The four functions that need a conversion, as the library has them. */
interface RawStrings {
	select(isa: Uint8Array): number
	isaName(): unknown
	isaList(): unknown
	isaSupported(isa: Uint8Array): number
}

function camelCase(name: string): string {
	return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function cString(text: string): Uint8Array {
	return new TextEncoder().encode(`${text}\0`)
}
