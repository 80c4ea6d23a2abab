/*
 * GPT-2: learned positions, LayerNorm before attention and MLP, biases in every matrix, a head that is
 * the token table. Hugging Face's GPT2LMHeadModel, and nanoGPT, which may leave out all biases.
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
		tiesHead: fields.flag('tie_word_embeddings', true),
		scalesScores: fields.flag('scale_attn_weights', true),
		scalesScoresByLayer: fields.flag('scale_attn_by_inverse_layer_idx', false),
	}
}

/** From the `model_args` of nanoGPT's checkpoint. Throws ModelConfigError. */
export function parseNanoGptConfig(json: unknown): Gpt2Config {
	const fields = new ConfigFields(json, 'model_args')
	const sizes = parseSizes(fields, 'block_size')
	return {
		...sizes,
		ffnDim: 4 * sizes.nEmbd,
		activation: 'gelu_erf',
		normEpsilon: 1e-5,
		hasBias: fields.flag('bias', true),
		tiesHead: true,
		scalesScores: true,
		scalesScoresByLayer: false,
	}
}

function parseSizes(fields: ConfigFields, contextKey: string) {
	const nEmbd = fields.integer('n_embd', [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer('n_head', [1, MODEL_LIMITS.nHead])
	if (nEmbd % nHead !== 0) fields.refuse('n_head', `a divisor of n_embd ${nEmbd}`)
	return {
		family: 'gpt2',
		vocabSize: fields.integer('vocab_size', [1, MODEL_LIMITS.vocabSize]),
		contextLength: fields.integer(contextKey, [CONTEXT_LENGTH_MIN, MODEL_LIMITS.contextLength]),
		nLayer: fields.integer('n_layer', [1, MODEL_LIMITS.nLayer]),
		nEmbd,
		nHead,
	} as const
}

/** Hugging Face stores the matrices of the layers as [in, out], nanoGPT does not. */
function gpt2Names(config: Gpt2Config, trainer: ForeignTrainer): ForeignNames {
	return {
		tensorName(stored) {
			const name = stored.replace(/^(_orig_mod\.|module\.|transformer\.)+/, '')
			const isMask = /^h\.\d+\.attn\.(bias|masked_bias)$/.test(name)
			const isTied = config.tiesHead && name === 'lm_head.weight'
			return isMask || isTied ? null : name
		},
		isTransposed: (name) =>
			trainer === 'huggingface' && /\.(c_attn|c_proj|c_fc)\.weight$/.test(name),
	}
}

function gpt2Network(config: Gpt2Config): Network {
	const { vocabSize, contextLength, nLayer, nEmbd, nHead, ffnDim, hasBias: bias } = config
	const { activation, normEpsilon: epsilon, tiesHead, scalesScores, scalesScoresByLayer } = config
	const headDim = nEmbd / nHead
	const scale = scalesScores ? scoreScale(headDim) : 1

	const build = new NetworkBuilder()
	const wte = build.table('wte.weight', vocabSize, nEmbd)
	const wpe = build.table('wpe.weight', contextLength, nEmbd)
	const layers = Array.from({ length: nLayer }, (_, i) => ({
		ln1: build.layerNorm(`h.${i}.ln_1`, nEmbd, { bias, epsilon }),
		qkv: build.linear(nEmbd, { [`h.${i}.attn.c_attn`]: 3 * nEmbd }, { bias }),
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
