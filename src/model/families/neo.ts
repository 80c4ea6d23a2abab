/*
 * GPT-Neo: GPT-2 whose scores are not scaled, whose layers attend by turns to everything and to the last
 * `window_size` positions, and whose queries, keys and values have no biases. TinyStories models.
 * Black et al. 2021, "GPT-Neo".
 */
import { CONTEXT_LENGTH_MIN, ConfigFields, MODEL_LIMITS } from '../config-fields.ts'
import type { NeoConfig } from '../model-config.ts'
import { NetworkBuilder } from '../network.ts'
import type { Family, ForeignNames, Network } from './family.ts'
import { GPT2_ACTIVATIONS } from './gpt2.ts'

export const neo: Family<NeoConfig> = {
	network: neoNetwork,
	foreign: { modelTypes: { gpt_neo: parseNeoConfig }, names: neoNames },
}

/** From Hugging Face's config.json. Throws ModelConfigError. */
function parseNeoConfig(json: unknown): NeoConfig {
	const fields = new ConfigFields(json, 'config')
	const nEmbd = fields.integer('hidden_size', [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer('num_heads', [1, MODEL_LIMITS.nHead])
	if (nEmbd % nHead !== 0) fields.refuse('num_heads', `a divisor of hidden_size ${nEmbd}`)
	const nLayer = fields.integer('num_layers', [1, MODEL_LIMITS.nLayer])
	const window = fields.integer('window_size', [1, MODEL_LIMITS.contextLength], 256)
	return {
		family: 'neo',
		vocabSize: fields.integer('vocab_size', [1, MODEL_LIMITS.vocabSize]),
		contextLength: fields.integer('max_position_embeddings', [
			CONTEXT_LENGTH_MIN,
			MODEL_LIMITS.contextLength,
		]),
		nLayer,
		nEmbd,
		nHead,
		ffnDim: fields.integer('intermediate_size', [1, MODEL_LIMITS.ffnDim], 4 * nEmbd),
		activation: fields.oneOf('activation_function', GPT2_ACTIVATIONS, 'gelu_new'),
		normEpsilon: fields.positive('layer_norm_epsilon', 1e-5),
		tiesHead: fields.flag('tie_word_embeddings', true),
		windows: new ConfigFields({ attention_layers: attentionLayers(fields) }, 'config').oneOfEach(
			'attention_layers',
			nLayer,
			{ global: 0, local: window },
		),
	}
}

/** One word per layer; `attention_types` has them in short, as [[['global', 'local'], 12]]. */
function attentionLayers(fields: ConfigFields): unknown {
	const types = fields.value('attention_types')
	if (fields.has('attention_layers') || !Array.isArray(types)) {
		return fields.value('attention_layers')
	}
	return types.flatMap((entry: unknown) => {
		const [words, count] = Array.isArray(entry) ? entry : []
		const isShort = Array.isArray(words) && Number.isInteger(count)
		if (!isShort || count < 0 || words.length * count > MODEL_LIMITS.nLayer) {
			fields.refuse('attention_types', `lists of words with their counts`)
		}
		return Array.from({ length: count }, () => words).flat()
	})
}

function neoNames(config: NeoConfig): ForeignNames {
	return {
		tensorName(stored) {
			const name = stored.replace(/^(_orig_mod\.|module\.|transformer\.)+/, '')
			const isMask = /\.attn\.attention\.(bias|masked_bias)$/.test(name)
			const isTied = config.tiesHead && name === 'lm_head.weight'
			return isMask || isTied ? null : name
		},
		isTransposed: () => false,
	}
}

function neoNetwork(config: NeoConfig): Network {
	const { vocabSize, contextLength, nLayer, nEmbd, nHead, ffnDim, tiesHead } = config
	const norm = { bias: true, epsilon: config.normEpsilon }

	const build = new NetworkBuilder()
	const wte = build.table('wte.weight', vocabSize, nEmbd)
	const wpe = build.table('wpe.weight', contextLength, nEmbd)
	const layers = Array.from({ length: nLayer }, (_, i) => {
		const attn = `h.${i}.attn.attention`
		const qkv = { [`${attn}.q_proj`]: nEmbd, [`${attn}.k_proj`]: nEmbd, [`${attn}.v_proj`]: nEmbd }
		return {
			ln1: build.layerNorm(`h.${i}.ln_1`, nEmbd, norm),
			qkv: build.linear(nEmbd, qkv, { bias: false }),
			attention: build.attention({
				heads: nHead,
				kvHeads: nHead,
				headDim: nEmbd / nHead,
				scale: 1,
				window: config.windows[i] ?? 0,
			}),
			attentionOut: build.linear(nEmbd, { [`${attn}.out_proj`]: nEmbd }, { bias: true }),
			ln2: build.layerNorm(`h.${i}.ln_2`, nEmbd, norm),
			mlpUp: build.linear(nEmbd, { [`h.${i}.mlp.c_fc`]: ffnDim }, { bias: true }),
			activation: build.activation(config.activation, ffnDim),
			mlpDown: build.linear(ffnDim, { [`h.${i}.mlp.c_proj`]: nEmbd }, { bias: true }),
		}
	})
	const finalNorm = build.layerNorm('ln_f', nEmbd, norm)
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
		finalNorm,
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
