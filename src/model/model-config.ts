/** Node of a composed activation's expression tree. */
export type ActivationNode =
	| { readonly type: 'basis'; readonly op: 'silu' | 'relu' | 'gelu' | 'identity' | 'square' }
	| { readonly type: 'scale'; readonly child: ActivationNode; readonly factor: number }
	| { readonly type: 'add' | 'mul'; readonly left: ActivationNode; readonly right: ActivationNode }

/** How the MLP turns its first projection into the second one's input. */
export type Activation =
	| { readonly kind: 'gelu' | 'silu' | 'relu' | 'swiglu' | 'universal' | 'kan_spline' }
	| { readonly kind: 'composed'; readonly graph: ActivationNode }

/** Verified architecture of a network; every number of it is within its limit. */
export type ModelConfig =
	| AlphaConfig
	| Gpt2Config
	| LlamaConfig
	| NanochatConfig
	| NeoConfig
	| NeoxConfig

/** Our trainer's decoder (families/alpha.ts). Counts are positive integers. */
export interface AlphaConfig {
	readonly family: 'alpha'
	readonly vocabSize: number
	/** Number of learned positions, in tokens; checkpoints call it `blockSize`. */
	readonly contextLength: number
	readonly nLayer: number
	readonly nEmbd: number
	readonly nHead: number
	/** Width of the MLP's hidden layer. */
	readonly ffnDim: number
	readonly activation: Activation
	/** Attention scores pass through cap * tanh(score / cap); null = no cap. */
	readonly softCap: number | null
}

/** GPT-2 as other trainers write it (families/gpt2.ts). Counts are positive integers. */
export interface Gpt2Config {
	readonly family: 'gpt2'
	/** Rows of the token table, those beyond the tokenizer included. */
	readonly vocabSize: number
	readonly contextLength: number
	readonly nLayer: number
	readonly nEmbd: number
	readonly nHead: number
	readonly ffnDim: number
	readonly activation: 'gelu' | 'gelu_erf' | 'relu' | 'silu'
	readonly normEpsilon: number
	readonly hasBias: boolean
	readonly hasQkvBias: boolean
	/** Checkpoints have queries, keys and values in three matrices. */
	readonly splitsQkv: boolean
	readonly tiesHead: boolean
	/** Scores are divided by the square root of the head's channels. */
	readonly scalesScores: boolean
	/** Scores of layer i are divided by i + 1. */
	readonly scalesScoresByLayer: boolean
}

/** Llama, Mistral, Qwen2, Qwen3 (families/llama.ts). Counts are positive integers. */
export interface LlamaConfig {
	readonly family: 'llama'
	readonly vocabSize: number
	readonly contextLength: number
	readonly nLayer: number
	readonly nEmbd: number
	readonly nHead: number
	/** Heads of keys and values: a divisor of nHead. */
	readonly nKvHead: number
	/** Not always nEmbd / nHead. */
	readonly headDim: number
	readonly ffnDim: number
	readonly activation: 'swiglu' | 'reglu' | 'geglu' | 'geglu_erf'
	readonly normEpsilon: number
	readonly hasQkvBias: boolean
	readonly hasAttentionOutBias: boolean
	readonly hasMlpBias: boolean
	/** Each head of queries and keys is normalized before it is turned. */
	readonly normsHeads: boolean
	readonly tiesHead: boolean
	readonly rotary: RotaryConfig
	/** Positions that each layer attends to; 0 = all. */
	readonly windows: readonly number[]
}

/** GPT-Neo (families/neo.ts). Counts are positive integers. */
export interface NeoConfig {
	readonly family: 'neo'
	readonly vocabSize: number
	readonly contextLength: number
	readonly nLayer: number
	readonly nEmbd: number
	readonly nHead: number
	readonly ffnDim: number
	readonly activation: Gpt2Config['activation']
	readonly normEpsilon: number
	readonly tiesHead: boolean
	/** Positions that each layer attends to; 0 = all. */
	readonly windows: readonly number[]
}

/** GPT-NeoX, Pythia (families/neox.ts). Counts are positive integers. */
export interface NeoxConfig {
	readonly family: 'neox'
	readonly vocabSize: number
	readonly contextLength: number
	readonly nLayer: number
	readonly nEmbd: number
	readonly nHead: number
	readonly ffnDim: number
	readonly activation: Gpt2Config['activation']
	readonly normEpsilon: number
	readonly hasAttentionBias: boolean
	/** Attention and MLP read the same residual stream. */
	readonly isParallel: boolean
	readonly tiesHead: boolean
	readonly rotary: RotaryConfig
}

/** nanochat (families/nanochat.ts). Counts are positive integers. */
export interface NanochatConfig {
	readonly family: 'nanochat'
	readonly vocabSize: number
	/** Rows of the tables: those of the vocabulary, and padding. */
	readonly tableRows: number
	readonly contextLength: number
	readonly nLayer: number
	readonly nEmbd: number
	readonly nHead: number
	/** Heads of keys and values: a divisor of nHead. */
	readonly nKvHead: number
	/** Base of the rotary frequencies. */
	readonly theta: number
	/** Normalized queries and keys are each multiplied by it. */
	readonly sharpness: number
	/** Positions that each layer attends to; 0 = all. */
	readonly windows: readonly number[]
	/** Alternating layers add gated embeddings of the tokens to their values; null = none does. */
	readonly valueGate: { readonly inputs: number; readonly scale: number } | null
	/** Each layer begins with a mix of the stream and the first embedding. */
	readonly hasLayerFactors: boolean
	/** Each token's embedding takes some of its predecessor's. */
	readonly hasSmear: boolean
	/** What the middle layer left behind is taken out at the end. */
	readonly hasBackout: boolean
	/** Logits pass through cap * tanh(logit / cap). */
	readonly logitCap: number
}

/** Rotary position embeddings (rotary.ts). */
export interface RotaryConfig {
	/** Channels of a head that are turned, the first ones; even. */
	readonly channels: number
	/** Channel i turns with i + channels / 2, or 2i with 2i + 1. */
	readonly pairing: 'halves' | 'neighbours'
	/** By negative angles. */
	readonly isReversed?: boolean
	/** Base of the geometric series of frequencies. */
	readonly theta: number
	readonly scaling: RotaryScaling
}

/** How frequencies were stretched for contexts longer than those of the first training. */
export type RotaryScaling =
	| { readonly kind: 'none' }
	| { readonly kind: 'linear'; readonly factor: number }
	/** By a number for each frequency; cosines and sines are multiplied by `attentionFactor`, default 1. */
	| {
			readonly kind: 'divisors'
			readonly divisors: readonly number[]
			readonly attentionFactor?: number
	  }
	/** Peng et al. 2023, "YaRN". */
	| {
			readonly kind: 'yarn'
			readonly factor: number
			/** Cosines and sines are multiplied by it. */
			readonly attentionFactor: number
			/** Frequencies of more turns in the first context stay, those of fewer are stretched. */
			readonly fastTurns: number
			readonly slowTurns: number
			readonly firstContext: number
			/** Where the ramp between them begins and ends is rounded to whole channels. */
			readonly isTruncated: boolean
	  }
	| {
			readonly kind: 'llama3'
			readonly factor: number
			/** Waves longer than the first context / lowFactor are stretched, those shorter than / highFactor stay. */
			readonly lowFactor: number
			readonly highFactor: number
			readonly firstContext: number
	  }

/** Number formats in which weights can be served. */
export type Dtype = 'f32' | 'bf16' | 'int8'

/** A format, or the one that is nearest to how a checkpoint's file has its numbers. */
export type DtypeChoice = Dtype | 'auto'
