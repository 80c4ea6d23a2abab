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
export type ModelConfig = AlphaConfig | Gpt2Config

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
	readonly tiesHead: boolean
	/** Scores are divided by the square root of the head's channels. */
	readonly scalesScores: boolean
	/** Scores of layer i are divided by i + 1. */
	readonly scalesScoresByLayer: boolean
}

/** Number formats in which weights can be served. */
export type Dtype = 'f32' | 'bf16' | 'int8'
