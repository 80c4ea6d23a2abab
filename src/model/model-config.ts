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
export type ModelConfig = AlphaConfig

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

/** Number formats in which weights can be served. */
export type Dtype = 'f32' | 'bf16' | 'int8'
