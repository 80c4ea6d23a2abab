/*
 * Llama and what was built like it: RMSNorm, rotary positions, keys and values shared by groups of heads,
 * a gated MLP. Mistral attends to a sliding window; Qwen2 has biases on queries, keys and values; Qwen3
 * normalizes each head of queries and keys.
 * Touvron et al. 2023, "LLaMA"; Ainslie et al. 2023, "GQA"; Shazeer 2020, "GLU Variants".
 */
import { CONTEXT_LENGTH_MIN, ConfigFields, MODEL_LIMITS } from '../config-fields.ts'
import type { LlamaConfig } from '../model-config.ts'
import { NetworkBuilder } from '../network.ts'
import { contextLimit, parseRotary } from '../rotary.ts'
import type { Family, ForeignNames, Network } from './family.ts'

export const llama: Family<LlamaConfig> = {
	network: llamaNetwork,
	foreign: {
		modelTypes: {
			llama: (json) => parseLlamaConfig(json, { hasMlpBias: true }),
			mistral: (json) => parseLlamaConfig(json, { slides: true }),
			qwen2: (json) => parseLlamaConfig(json, { hasQkvBias: true, slidesLate: true }),
			qwen3: (json) => parseLlamaConfig(json, { slidesLate: true, normsHeads: true }),
		},
		names: llamaNames,
	},
}

/** What the members of the family do by themselves, beside the fields of their configs. */
interface Variant {
	/** `mlp_bias` counts. */
	readonly hasMlpBias?: boolean
	/** Queries, keys and values always have biases, the output never. */
	readonly hasQkvBias?: boolean
	/** `sliding_window` holds for all layers. */
	readonly slides?: boolean
	/** It holds with `use_sliding_window`, from layer `max_window_layers` on or as `layer_types` says. */
	readonly slidesLate?: boolean
	readonly normsHeads?: boolean
}

const GATED_ACTIVATIONS = {
	silu: 'swiglu',
	swish: 'swiglu',
	relu: 'reglu',
	gelu: 'geglu_erf',
	gelu_new: 'geglu',
	gelu_pytorch_tanh: 'geglu',
} as const

/** From Hugging Face's config.json. Throws ModelConfigError. */
function parseLlamaConfig(json: unknown, variant: Variant): LlamaConfig {
	const fields = new ConfigFields(json, 'config')
	const nEmbd = fields.integer('hidden_size', [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer('num_attention_heads', [1, MODEL_LIMITS.nHead])
	const nKvHead = fields.integer('num_key_value_heads', [1, MODEL_LIMITS.nHead], nHead)
	if (nHead % nKvHead !== 0) {
		fields.refuse('num_key_value_heads', `a divisor of num_attention_heads ${nHead}`)
	}
	if (!fields.has('head_dim') && nEmbd % nHead !== 0) {
		fields.refuse('num_attention_heads', `a divisor of hidden_size ${nEmbd}`)
	}
	const headDim = fields.integer('head_dim', [1, MODEL_LIMITS.nEmbd], nEmbd / nHead)
	const nLayer = fields.integer('num_hidden_layers', [1, MODEL_LIMITS.nLayer])
	const hasAttentionBias = fields.flag('attention_bias', false)
	return {
		family: 'llama',
		vocabSize: fields.integer('vocab_size', [1, MODEL_LIMITS.vocabSize]),
		contextLength: Math.min(
			fields.integer('max_position_embeddings', [CONTEXT_LENGTH_MIN, MODEL_LIMITS.contextLength]),
			contextLimit(fields),
		),
		nLayer,
		nEmbd,
		nHead,
		nKvHead,
		headDim,
		ffnDim: fields.integer('intermediate_size', [1, MODEL_LIMITS.ffnDim]),
		activation: fields.oneOf('hidden_act', GATED_ACTIVATIONS, 'silu'),
		normEpsilon: fields.positive('rms_norm_eps', 1e-6),
		hasQkvBias: variant.hasQkvBias ?? hasAttentionBias,
		hasAttentionOutBias: variant.hasQkvBias ? false : hasAttentionBias,
		hasMlpBias: variant.hasMlpBias === true && fields.flag('mlp_bias', false),
		normsHeads: variant.normsHeads === true,
		tiesHead: fields.flag('tie_word_embeddings', false),
		rotary: parseRotary(fields, headDim, {
			thetaKeys: ['rope_theta'],
			shareKeys: ['partial_rotary_factor'],
			shareDefault: 1,
		}),
		windows: parseWindows(fields, nLayer, variant),
	}
}

/** Positions that each layer attends to; 0 = all. */
function parseWindows(fields: ConfigFields, nLayer: number, variant: Variant): readonly number[] {
	const slides =
		variant.slides === true ||
		(variant.slidesLate === true && fields.flag('use_sliding_window', false))
	if (!slides || !fields.has('sliding_window')) return Array.from({ length: nLayer }, () => 0)
	const window = fields.integer('sliding_window', [1, MODEL_LIMITS.contextLength])
	if (fields.has('layer_types')) {
		const kinds = { full_attention: 0, sliding_attention: window }
		return fields.oneOfEach('layer_types', nLayer, kinds)
	}
	const first = variant.slides ? 0 : fields.integer('max_window_layers', [0, MODEL_LIMITS.nLayer])
	return Array.from({ length: nLayer }, (_, i) => (i < first ? 0 : window))
}

function llamaNames(config: LlamaConfig): ForeignNames {
	return {
		tensorName(stored) {
			const name = stored.replace(/^(_orig_mod\.|module\.|model\.)+/, '')
			const isTied = config.tiesHead && name === 'lm_head.weight'
			return isTied || name.endsWith('rotary_emb.inv_freq') ? null : name
		},
		isTransposed: () => false,
	}
}

function llamaNetwork(config: LlamaConfig): Network {
	const { vocabSize, contextLength, nLayer, nEmbd, nHead, nKvHead, headDim, ffnDim } = config
	const { normEpsilon: epsilon, hasQkvBias, hasAttentionOutBias, hasMlpBias, tiesHead } = config
	const [q, kv] = [nHead * headDim, nKvHead * headDim]

	const build = new NetworkBuilder()
	const rotary = build.rotary(config.rotary, contextLength)
	const wte = build.table('embed_tokens.weight', vocabSize, nEmbd)
	const layers = Array.from({ length: nLayer }, (_, i) => {
		const attn = `layers.${i}.self_attn`
		const mlp = `layers.${i}.mlp`
		const headNorm = (name: string) =>
			config.normsHeads ? build.rmsNorm(`${attn}.${name}`, headDim, epsilon) : null
		return {
			ln1: build.rmsNorm(`layers.${i}.input_layernorm`, nEmbd, epsilon),
			qkv: build.linear(
				nEmbd,
				{ [`${attn}.q_proj`]: q, [`${attn}.k_proj`]: kv, [`${attn}.v_proj`]: kv },
				{ bias: hasQkvBias },
			),
			qNorm: headNorm('q_norm'),
			kNorm: headNorm('k_norm'),
			attention: build.attention({
				heads: nHead,
				kvHeads: nKvHead,
				headDim,
				window: config.windows[i] ?? 0,
			}),
			attentionOut: build.linear(q, { [`${attn}.o_proj`]: nEmbd }, { bias: hasAttentionOutBias }),
			ln2: build.rmsNorm(`layers.${i}.post_attention_layernorm`, nEmbd, epsilon),
			mlpUp: build.linear(
				nEmbd,
				{ [`${mlp}.gate_proj`]: ffnDim, [`${mlp}.up_proj`]: ffnDim },
				{ bias: hasMlpBias },
			),
			activation: build.activation(config.activation, ffnDim),
			mlpDown: build.linear(ffnDim, { [`${mlp}.down_proj`]: nEmbd }, { bias: hasMlpBias }),
		}
	})
	const finalNorm = build.rmsNorm('norm', nEmbd, epsilon)
	const head = build.matrix(nEmbd, {
		[tiesHead ? 'embed_tokens.weight' : 'lm_head.weight']: vocabSize,
	})

	const x = build.buffer(nEmbd)
	const h = build.buffer(nEmbd)
	// q | k | v, later gate | up of the MLP.
	const wide = build.buffer(Math.max(q + 2 * kv, 2 * ffnDim))
	const attended = build.buffer(q)
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
				if (layer.qNorm) ops.normQueries(wide, layer.attention, layer.qNorm)
				if (layer.kNorm) ops.normKeys(wide, layer.attention, layer.kNorm)
				ops.rotate(wide, layer.attention, rotary)
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
