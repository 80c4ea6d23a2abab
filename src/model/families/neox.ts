/*
 * GPT-NeoX and Pythia: rotary positions on the first channels of each head, attention and MLP side by side
 * on the same residual stream, biases in every matrix, a head of its own.
 * Black et al. 2022, "GPT-NeoX-20B"; Biderman et al. 2023, "Pythia".
 */
import { CONTEXT_LENGTH_MIN, ConfigFields, MODEL_LIMITS } from '../config-fields.ts'
import type { NeoxConfig } from '../model-config.ts'
import { NetworkBuilder, type RowMove } from '../network.ts'
import { contextLimit, parseRotary } from '../rotary.ts'
import type { Family, ForeignNames, Network } from './family.ts'
import { GPT2_ACTIVATIONS } from './gpt2.ts'

export const neox: Family<NeoxConfig> = {
	network: neoxNetwork,
	foreign: { modelTypes: { gpt_neox: parseNeoxConfig }, names: neoxNames },
}

/** From Hugging Face's config.json. Throws ModelConfigError. */
function parseNeoxConfig(json: unknown): NeoxConfig {
	const fields = new ConfigFields(json, 'config')
	const nEmbd = fields.integer('hidden_size', [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer('num_attention_heads', [1, MODEL_LIMITS.nHead])
	if (nEmbd % nHead !== 0) fields.refuse('num_attention_heads', `a divisor of hidden_size ${nEmbd}`)
	return {
		family: 'neox',
		vocabSize: fields.integer('vocab_size', [1, MODEL_LIMITS.vocabSize]),
		contextLength: Math.min(
			fields.integer('max_position_embeddings', [CONTEXT_LENGTH_MIN, MODEL_LIMITS.contextLength]),
			contextLimit(fields),
		),
		nLayer: fields.integer('num_hidden_layers', [1, MODEL_LIMITS.nLayer]),
		nEmbd,
		nHead,
		ffnDim: fields.integer('intermediate_size', [1, MODEL_LIMITS.ffnDim]),
		activation: fields.oneOf('hidden_act', GPT2_ACTIVATIONS, 'gelu'),
		normEpsilon: fields.positive('layer_norm_eps', 1e-5),
		hasAttentionBias: fields.flag('attention_bias', true),
		isParallel: fields.flag('use_parallel_residual', true),
		tiesHead: fields.flag('tie_word_embeddings', false),
		rotary: parseRotary(fields, nEmbd / nHead, {
			thetaKeys: ['rotary_emb_base', 'rope_theta'],
			shareKeys: ['rotary_pct', 'partial_rotary_factor'],
			shareDefault: 0.25,
		}),
	}
}

function neoxNames(config: NeoxConfig): ForeignNames {
	return {
		tensorName(stored) {
			const name = stored.replace(/^(_orig_mod\.|module\.|gpt_neox\.)+/, '')
			const isBuffer = /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/.test(name)
			const isTied = config.tiesHead && name === 'embed_out.weight'
			return isBuffer || isTied ? null : name
		},
		isTransposed: () => false,
	}
}

function neoxNetwork(config: NeoxConfig): Network {
	const { vocabSize, contextLength, nLayer, nEmbd, nHead, ffnDim, isParallel } = config
	const headDim = nEmbd / nHead
	const norm = { bias: true, epsilon: config.normEpsilon }
	const bias = config.hasAttentionBias
	const moves = headsToParts(nHead, headDim)

	const build = new NetworkBuilder()
	const rotary = build.rotary(config.rotary, contextLength)
	const wte = build.table('embed_in.weight', vocabSize, nEmbd)
	const layers = Array.from({ length: nLayer }, (_, i) => {
		const attn = `layers.${i}.attention`
		const mlp = `layers.${i}.mlp`
		return {
			ln1: build.layerNorm(`layers.${i}.input_layernorm`, nEmbd, norm),
			qkv: build.linear(nEmbd, { [`${attn}.query_key_value`]: 3 * nEmbd }, { bias, moves }),
			attention: build.attention({ heads: nHead, kvHeads: nHead, headDim }),
			attentionOut: build.linear(nEmbd, { [`${attn}.dense`]: nEmbd }, { bias }),
			ln2: build.layerNorm(`layers.${i}.post_attention_layernorm`, nEmbd, norm),
			mlpUp: build.linear(nEmbd, { [`${mlp}.dense_h_to_4h`]: ffnDim }, { bias: true }),
			activation: build.activation(config.activation, ffnDim),
			mlpDown: build.linear(ffnDim, { [`${mlp}.dense_4h_to_h`]: nEmbd }, { bias: true }),
		}
	})
	const finalNorm = build.layerNorm('final_layer_norm', nEmbd, norm)
	const head = build.matrix(nEmbd, {
		[config.tiesHead ? 'embed_in.weight' : 'embed_out.weight']: vocabSize,
	})

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
			ops.embed(x, wte)
			for (const layer of layers) {
				ops.norm(h, x, layer.ln1)
				ops.linear(wide, h, layer.qkv)
				ops.rotate(wide, layer.attention, rotary)
				ops.storeKeysValues(wide, layer.attention)
				if (layer === layers.at(-1) && !ops.keepWantedRows(x, wide)) return
				ops.attention(attended, wide, layer.attention)
				// In parallel, the MLP reads the stream as it was before the attention is added.
				if (isParallel) ops.norm(h, x, layer.ln2)
				ops.addLinear(x, attended, layer.attentionOut)
				if (!isParallel) ops.norm(h, x, layer.ln2)

				ops.linear(wide, h, layer.mlpUp)
				ops.activate(wide, layer.activation)
				ops.addLinear(x, wide, layer.mlpDown)
			}
		},
	}
}

/** The checkpoint's rows are [head][q, k, v][headDim], those that attention reads q | k | v. */
function headsToParts(nHead: number, headDim: number): readonly RowMove[] {
	return Array.from({ length: nHead * 3 }, (_, block) => {
		const [head, part] = [Math.floor(block / 3), block % 3]
		return { firstRow: block * headDim, rows: headDim, at: (part * nHead + head) * headDim }
	})
}
