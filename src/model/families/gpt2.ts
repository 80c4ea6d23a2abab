/*
 * GPT-2: learned positions, LayerNorm before attention and MLP, biases in every matrix, a head that is
 * the token table. Hugging Face's GPT2LMHeadModel; nanoGPT, which may leave out all biases; minGPT and
 * the model of Raschka's book, whose head is a matrix of its own.
 * Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
 */
import { CONTEXT_LENGTH_MIN, ConfigFields, MODEL_LIMITS } from '../config-fields.ts'
import type { Gpt2Config } from '../model-config.ts'
import { NetworkBuilder, scoreScale } from '../network.ts'
import type { Family, ForeignNames, ForeignTrainer, Network } from './family.ts'

export const gpt2: Family<Gpt2Config> = {
	network: gpt2Network,
	foreign: { modelTypes: { gpt2: parseGpt2Config }, names: gpt2Names },
}

/** Hugging Face's names of activations that are not gated. */
export const GPT2_ACTIVATIONS = {
	gelu_new: 'gelu',
	gelu_pytorch_tanh: 'gelu',
	gelu_fast: 'gelu',
	gelu: 'gelu_erf',
	relu: 'relu',
	silu: 'silu',
	swish: 'silu',
} as const

/** From the config.json of `model_type` gpt2. Throws ModelConfigError. */
function parseGpt2Config(json: unknown): Gpt2Config {
	const fields = new ConfigFields(json, 'config')
	fields.mustBe('add_cross_attention', false)
	const sizes = parseSizes(fields, 'n_positions')
	return {
		...sizes,
		ffnDim: fields.integer('n_inner', [1, MODEL_LIMITS.ffnDim], 4 * sizes.nEmbd),
		activation: fields.oneOf('activation_function', GPT2_ACTIVATIONS, 'gelu_new'),
		normEpsilon: fields.positive('layer_norm_epsilon', 1e-5),
		hasBias: true,
		hasQkvBias: true,
		splitsQkv: false,
		tiesHead: fields.flag('tie_word_embeddings', true),
		scalesScores: fields.flag('scale_attn_weights', true),
		scalesScoresByLayer: fields.flag('scale_attn_by_inverse_layer_idx', false),
	}
}

/** What small trainers have in their code instead of in the settings. */
const FIXED = { normEpsilon: 1e-5, scalesScores: true, scalesScoresByLayer: false } as const

/** From the `model_args` of nanoGPT's checkpoint. Throws ModelConfigError. */
function parseNanoGptConfig(json: unknown): Gpt2Config {
	const fields = new ConfigFields(json, 'model_args')
	const sizes = parseSizes(fields, 'block_size')
	const hasBias = fields.flag('bias', true)
	return {
		...sizes,
		...FIXED,
		ffnDim: 4 * sizes.nEmbd,
		activation: 'gelu_erf',
		hasBias,
		hasQkvBias: hasBias,
		splitsQkv: false,
		tiesHead: true,
	}
}

/** Sizes by minGPT's own names of models. */
const MINGPT_SIZES: Readonly<Record<string, object>> = {
	'openai-gpt': { n_layer: 12, n_head: 12, n_embd: 768 },
	gpt2: { n_layer: 12, n_head: 12, n_embd: 768 },
	'gpt2-medium': { n_layer: 24, n_head: 16, n_embd: 1024 },
	'gpt2-large': { n_layer: 36, n_head: 20, n_embd: 1280 },
	'gpt2-xl': { n_layer: 48, n_head: 25, n_embd: 1600 },
	'gopher-44m': { n_layer: 8, n_head: 16, n_embd: 512 },
	'gpt-mini': { n_layer: 6, n_head: 6, n_embd: 192 },
	'gpt-micro': { n_layer: 4, n_head: 4, n_embd: 128 },
	'gpt-nano': { n_layer: 3, n_head: 3, n_embd: 48 },
}

/** From minGPT's settings, which have a name for the sizes or the sizes. Throws ModelConfigError. */
function parseMinGptConfig(json: unknown): Gpt2Config {
	const given = Object.entries(json as object).filter(([, value]) => value !== null)
	const settings: Readonly<Record<string, unknown>> = Object.fromEntries(given)
	const named = MINGPT_SIZES[String(settings['model_type'])]
	const sizes = parseSizes(new ConfigFields({ ...named, ...settings }, 'model'), 'block_size')
	return {
		...sizes,
		...FIXED,
		ffnDim: 4 * sizes.nEmbd,
		activation: 'gelu',
		hasBias: true,
		hasQkvBias: true,
		splitsQkv: false,
		tiesHead: false,
	}
}

/** From the settings of Raschka's book. Throws ModelConfigError. */
function parseRaschkaConfig(json: unknown): Gpt2Config {
	const fields = new ConfigFields(json, 'config')
	const names = { width: 'emb_dim', heads: 'n_heads', layers: 'n_layers' }
	const sizes = parseSizes(fields, 'context_length', names)
	return {
		...sizes,
		...FIXED,
		ffnDim: 4 * sizes.nEmbd,
		activation: 'gelu',
		hasBias: true,
		hasQkvBias: fields.flag('qkv_bias', false),
		splitsQkv: true,
		tiesHead: false,
	}
}

/** Parsers of settings that are not Hugging Face's. */
export const gpt2Settings: Partial<Record<ForeignTrainer, (json: unknown) => Gpt2Config>> = {
	nanogpt: parseNanoGptConfig,
	mingpt: parseMinGptConfig,
	raschka: parseRaschkaConfig,
}

function parseSizes(
	fields: ConfigFields,
	contextKey: string,
	{ width, heads, layers } = { width: 'n_embd', heads: 'n_head', layers: 'n_layer' },
) {
	const nEmbd = fields.integer(width, [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer(heads, [1, MODEL_LIMITS.nHead])
	if (nEmbd % nHead !== 0) fields.refuse(heads, `a divisor of ${width} ${nEmbd}`)
	return {
		family: 'gpt2',
		vocabSize: fields.integer('vocab_size', [1, MODEL_LIMITS.vocabSize]),
		contextLength: fields.integer(contextKey, [CONTEXT_LENGTH_MIN, MODEL_LIMITS.contextLength]),
		nLayer: fields.integer(layers, [1, MODEL_LIMITS.nLayer]),
		nEmbd,
		nHead,
	} as const
}

/** Hugging Face stores the matrices of the layers as [in, out], nanoGPT does not. */
function gpt2Names(config: Gpt2Config, trainer: ForeignTrainer): ForeignNames {
	return {
		tensorName(stored) {
			const plain = stored.replace(/^(_orig_mod\.|module\.|transformer\.)+/, '')
			const name = trainer === 'raschka' ? fromRaschka(plain) : plain
			const isMask = /^h\.\d+\.attn\.(bias|masked_bias|mask)$/.test(name)
			const isTied = config.tiesHead && name === 'lm_head.weight'
			return isMask || isTied ? null : name
		},
		isTransposed: (name) =>
			trainer === 'huggingface' && /\.(c_attn|c_proj|c_fc)\.weight$/.test(name),
	}
}

/** Names of Raschka's book and what stands for them, in turn. */
const RASCHKA_NAMES: readonly (readonly [RegExp, string])[] = [
	[/^tok_emb\./, 'wte.'],
	[/^pos_emb\./, 'wpe.'],
	[/^final_norm\./, 'ln_f.'],
	[/^out_head\./, 'lm_head.'],
	[/^trf_blocks\./, 'h.'],
	[/\.norm([12])\./, '.ln_$1.'],
	[/\.att\.W_/, '.attn.'],
	[/\.att\.out_proj\./, '.attn.c_proj.'],
	[/\.att\./, '.attn.'],
	[/\.ff\.layers\.0\./, '.mlp.c_fc.'],
	[/\.ff\.layers\.2\./, '.mlp.c_proj.'],
	[/\.scale$/, '.weight'],
	[/\.shift$/, '.bias'],
]

function fromRaschka(stored: string): string {
	return RASCHKA_NAMES.reduce((name, [theirs, ours]) => name.replace(theirs, ours), stored)
}

function gpt2Network(config: Gpt2Config): Network {
	const { vocabSize, contextLength, nLayer, nEmbd, nHead, ffnDim, hasBias: bias } = config
	const { hasQkvBias, splitsQkv } = config
	const { activation, normEpsilon: epsilon, tiesHead, scalesScores, scalesScoresByLayer } = config
	const headDim = nEmbd / nHead
	const scale = scalesScores ? scoreScale(headDim) : 1

	const build = new NetworkBuilder()
	const wte = build.table('wte.weight', vocabSize, nEmbd)
	const wpe = build.table('wpe.weight', contextLength, nEmbd)
	const layers = Array.from({ length: nLayer }, (_, i) => ({
		ln1: build.layerNorm(`h.${i}.ln_1`, nEmbd, { bias, epsilon }),
		qkv: build.linear(
			nEmbd,
			splitsQkv
				? Object.fromEntries(['query', 'key', 'value'].map((n) => [`h.${i}.attn.${n}`, nEmbd]))
				: { [`h.${i}.attn.c_attn`]: 3 * nEmbd },
			{ bias: hasQkvBias },
		),
		attention: build.attention({
			heads: nHead,
			kvHeads: nHead,
			headDim,
			scale: scalesScoresByLayer ? scale / (i + 1) : scale,
		}),
		attentionOut: build.linear(nEmbd, { [`h.${i}.attn.c_proj`]: nEmbd }, { bias }),
		ln2: build.layerNorm(`h.${i}.ln_2`, nEmbd, { bias, epsilon }),
		mlpUp: build.linear(nEmbd, { [`h.${i}.mlp.c_fc`]: ffnDim }, { bias }),
		activation: build.activation(activation, ffnDim),
		mlpDown: build.linear(ffnDim, { [`h.${i}.mlp.c_proj`]: nEmbd }, { bias }),
	}))
	const lnF = build.layerNorm('ln_f', nEmbd, { bias, epsilon })
	const head = build.matrix(nEmbd, { [tiesHead ? 'wte.weight' : 'lm_head.weight']: vocabSize })

	const x = build.buffer(nEmbd)
	const h = build.buffer(nEmbd)
	// q | k | v, later the hidden layer of the MLP.
	const wide = build.buffer(Math.max(3 * nEmbd, ffnDim))
	const attended = build.buffer(nEmbd)
	const logits = build.buffer(vocabSize)

	return {
		...build.memory(),
		x,
		hidden: h,
		logits,
		finalNorm: lnF,
		head,
		forward(ops) {
			ops.embed(x, wte, wpe)
			for (const layer of layers) {
				ops.norm(h, x, layer.ln1)
				ops.linear(wide, h, layer.qkv)
				ops.storeKeysValues(wide, layer.attention)
				if (layer === layers.at(-1) && !ops.keepWantedRows(x, wide)) return
				ops.attention(attended, wide, layer.attention)
				ops.addLinear(x, attended, layer.attentionOut)

				ops.norm(h, x, layer.ln2)
				ops.linear(wide, h, layer.mlpUp)
				ops.activate(wide, layer.activation)
				ops.addLinear(x, wide, layer.mlpDown)
			}
		},
	}
}
