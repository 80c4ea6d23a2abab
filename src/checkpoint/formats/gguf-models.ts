/*
 * Architectures as GGUF files describe them: which keys hold a network's sizes, and what its tensors are
 * called there.
 */
import { CONTEXT_LENGTH_MIN, type ConfigFields, MODEL_LIMITS } from '../../model/config-fields.ts'
import type {
	Gpt2Config,
	LlamaConfig,
	ModelConfig,
	NeoxConfig,
	RotaryConfig,
	RotaryScaling,
} from '../../model/model-config.ts'
import { interleavedHalves, type RowOrder } from './row-order.ts'

/** What a file says besides its keys. */
export interface GgufFacts {
	/** Rows of the token table. */
	readonly vocabSize: number
	has(tensor: string): boolean
	/** Numbers by which the rotary frequencies are divided; null = the file has none. */
	readonly frequencyDivisors: readonly number[] | null
}

export interface GgufArchitecture {
	/** `fields` are those of the architecture, without its name. Throws ModelConfigError. */
	parseConfig(fields: ConfigFields, facts: GgufFacts): ModelConfig
	/** Names of tensors, `blk.<i>.` and `.weight` or `.bias` apart. */
	readonly tensors: Readonly<Record<string, string>>
	readonly layerTensors: Readonly<Record<string, string>>
	/** What the network calls its layers. */
	readonly layerPrefix: string
	/** Where the file has other orders of rows than the network: how they are put back. */
	rowOrder?(name: string, config: ModelConfig): RowOrder | undefined
}

const LLAMA_LAYER_TENSORS = {
	attn_norm: 'input_layernorm',
	attn_q: 'self_attn.q_proj',
	attn_k: 'self_attn.k_proj',
	attn_v: 'self_attn.v_proj',
	attn_output: 'self_attn.o_proj',
	attn_q_norm: 'self_attn.q_norm',
	attn_k_norm: 'self_attn.k_norm',
	ffn_norm: 'post_attention_layernorm',
	ffn_gate: 'mlp.gate_proj',
	ffn_up: 'mlp.up_proj',
	ffn_down: 'mlp.down_proj',
}

const llama: GgufArchitecture = {
	parseConfig: parseLlama,
	tensors: { token_embd: 'embed_tokens', output_norm: 'norm', output: 'lm_head' },
	layerTensors: LLAMA_LAYER_TENSORS,
	layerPrefix: 'layers',
}

const gpt2: GgufArchitecture = {
	parseConfig: parseGpt2,
	tensors: {
		token_embd: 'wte',
		position_embd: 'wpe',
		output_norm: 'ln_f',
		output: 'lm_head',
	},
	layerTensors: {
		attn_norm: 'ln_1',
		attn_qkv: 'attn.c_attn',
		attn_output: 'attn.c_proj',
		ffn_norm: 'ln_2',
		ffn_up: 'mlp.c_fc',
		ffn_down: 'mlp.c_proj',
	},
	layerPrefix: 'h',
}

const gptneox: GgufArchitecture = {
	parseConfig: parseNeox,
	tensors: { token_embd: 'embed_in', output_norm: 'final_layer_norm', output: 'embed_out' },
	layerTensors: {
		attn_norm: 'input_layernorm',
		attn_qkv: 'attention.query_key_value',
		attn_output: 'attention.dense',
		ffn_norm: 'post_attention_layernorm',
		ffn_up: 'mlp.dense_h_to_4h',
		ffn_down: 'mlp.dense_4h_to_h',
	},
	layerPrefix: 'layers',
	rowOrder: partsOfHeads,
}

/** By `general.architecture`. */
export const GGUF_ARCHITECTURES: Readonly<Record<string, GgufArchitecture>> = {
	gpt2,
	llama: { ...llama, rowOrder: halvesOfHeads },
	qwen2: llama,
	qwen3: llama,
	gptneox,
}

/** Keys that change nothing here. */
const IDLE_KEYS = ['vocab_size', 'rope.scaling.finetuned', 'tensor_data_layout', 'expert_count']

function parseGpt2(fields: ConfigFields, facts: GgufFacts): Gpt2Config {
	const sizes = parseSizes(fields, facts, 'attention.layer_norm_epsilon')
	fields.expectOnly([...SIZE_KEYS, ...IDLE_KEYS, 'attention.layer_norm_epsilon'])
	return {
		family: 'gpt2',
		...sizes,
		activation: 'gelu',
		hasBias: true,
		hasQkvBias: true,
		splitsQkv: false,
		tiesHead: !facts.has('output.weight'),
		scalesScores: true,
		scalesScoresByLayer: false,
	}
}

function parseLlama(fields: ConfigFields, facts: GgufFacts): LlamaConfig {
	const { ffnDim, ...sizes } = parseSizes(fields, facts, 'attention.layer_norm_rms_epsilon')
	fields.expectOnly([
		...SIZE_KEYS,
		...IDLE_KEYS,
		...ROTARY_KEYS,
		'attention.layer_norm_rms_epsilon',
		'attention.head_count_kv',
		'attention.key_length',
		'attention.value_length',
		'attention.sliding_window',
	])
	const { nHead, nEmbd, nLayer } = sizes
	const nKvHead = fields.integer('attention.head_count_kv', [1, MODEL_LIMITS.nHead], nHead)
	if (nHead % nKvHead !== 0) {
		fields.refuse('attention.head_count_kv', `a divisor of attention.head_count ${nHead}`)
	}
	const hasHeadDim = fields.has('attention.key_length')
	if (!hasHeadDim && nEmbd % nHead !== 0) refuseHeads(fields, nEmbd)
	const headDim = fields.integer('attention.key_length', [1, MODEL_LIMITS.nEmbd], nEmbd / nHead)
	fields.mustBe('attention.value_length', headDim)
	const window = fields.has('attention.sliding_window')
		? fields.integer('attention.sliding_window', [0, MODEL_LIMITS.contextLength])
		: 0
	return {
		family: 'llama',
		...sizes,
		nKvHead,
		headDim,
		ffnDim,
		activation: 'swiglu',
		hasQkvBias: facts.has('blk.0.attn_q.bias'),
		hasAttentionOutBias: facts.has('blk.0.attn_output.bias'),
		hasMlpBias: facts.has('blk.0.ffn_up.bias'),
		normsHeads: facts.has('blk.0.attn_q_norm.weight'),
		tiesHead: !facts.has('output.weight'),
		rotary: parseRotary(fields, facts, headDim, headDim),
		windows: Array.from({ length: nLayer }, () => window),
	}
}

function parseNeox(fields: ConfigFields, facts: GgufFacts): NeoxConfig {
	const sizes = parseSizes(fields, facts, 'attention.layer_norm_epsilon')
	fields.expectOnly([
		...SIZE_KEYS,
		...IDLE_KEYS,
		...ROTARY_KEYS,
		'attention.layer_norm_epsilon',
		'use_parallel_residual',
	])
	const headDim = sizes.nEmbd / sizes.nHead
	return {
		family: 'neox',
		...sizes,
		activation: 'gelu_erf',
		hasAttentionBias: facts.has('blk.0.attn_qkv.bias'),
		isParallel: fields.flag('use_parallel_residual', true),
		tiesHead: !facts.has('output.weight'),
		rotary: parseRotary(fields, facts, headDim, headDim),
	}
}

const SIZE_KEYS = [
	'context_length',
	'embedding_length',
	'block_count',
	'feed_forward_length',
	'attention.head_count',
]

function parseSizes(fields: ConfigFields, facts: GgufFacts, epsilonKey: string) {
	const nEmbd = fields.integer('embedding_length', [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer('attention.head_count', [1, MODEL_LIMITS.nHead])
	if (!fields.has('attention.key_length') && nEmbd % nHead !== 0) refuseHeads(fields, nEmbd)
	if (fields.has('vocab_size')) fields.mustBe('vocab_size', facts.vocabSize)
	fields.mustBe('expert_count', 0)
	return {
		vocabSize: facts.vocabSize,
		contextLength: fields.integer('context_length', [
			CONTEXT_LENGTH_MIN,
			MODEL_LIMITS.contextLength,
		]),
		nLayer: fields.integer('block_count', [1, MODEL_LIMITS.nLayer]),
		nEmbd,
		nHead,
		ffnDim: fields.integer('feed_forward_length', [1, MODEL_LIMITS.ffnDim]),
		normEpsilon: fields.positive(epsilonKey),
	}
}

function refuseHeads(fields: ConfigFields, nEmbd: number): never {
	return fields.refuse('attention.head_count', `a divisor of embedding_length ${nEmbd}`)
}

const ROTARY_KEYS = [
	'rope.dimension_count',
	'rope.freq_base',
	'rope.scale_linear',
	'rope.scaling.type',
	'rope.scaling.factor',
	'rope.scaling.original_context_length',
]

function parseRotary(
	fields: ConfigFields,
	facts: GgufFacts,
	headDim: number,
	channelsDefault: number,
): RotaryConfig {
	const channels = fields.integer('rope.dimension_count', [2, headDim], channelsDefault)
	if (channels % 2 !== 0) fields.refuse('rope.dimension_count', 'an even number')
	return {
		channels,
		pairing: 'halves',
		theta: fields.positive('rope.freq_base', 10_000),
		scaling: parseScaling(fields, facts, channels / 2),
	}
}

const SCALINGS = { none: 'none', linear: 'linear' } as const

function parseScaling(
	fields: ConfigFields,
	{ frequencyDivisors }: GgufFacts,
	frequencies: number,
): RotaryScaling {
	if (frequencyDivisors !== null) {
		const isUsable = frequencyDivisors.every((divisor) => Number.isFinite(divisor) && divisor > 0)
		if (frequencyDivisors.length !== frequencies || !isUsable) {
			fields.refuse(
				'rope.dimension_count',
				`twice as many as rope_freqs.weight has positive numbers`,
			)
		}
		return { kind: 'divisors', divisors: frequencyDivisors }
	}
	if (fields.has('rope.scale_linear')) {
		return { kind: 'linear', factor: fields.positive('rope.scale_linear') }
	}
	const kind = fields.oneOf('rope.scaling.type', SCALINGS, 'none')
	return kind === 'none' ? { kind } : { kind, factor: fields.positive('rope.scaling.factor') }
}

/** Queries and keys are those of the original Llama, which turns neighbours. */
function halvesOfHeads(name: string, config: ModelConfig): RowOrder | undefined {
	if (config.family !== 'llama' || !/self_attn\.[qk]_proj\./.test(name)) return undefined
	return interleavedHalves(config.headDim)
}

/** The network has [head][q, k, v][channel], the file q, k, v of all heads. */
function partsOfHeads(name: string, config: ModelConfig): RowOrder | undefined {
	if (config.family !== 'neox' || !name.includes('.query_key_value.')) return undefined
	const { nEmbd, nHead } = config
	const headDim = nEmbd / nHead
	const storedRow = (row: number) => {
		const [block, channel] = [Math.floor(row / headDim), row % headDim]
		return (block % 3) * nEmbd + Math.floor(block / 3) * headDim + channel
	}
	return { groupRows: 3 * nEmbd, storedRow }
}
