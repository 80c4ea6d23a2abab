/*
 * nanochat: rotary positions, RMS norms without weights, normalized queries and keys, relu², a soft cap on
 * the logits. Revisions since 2026 mix the first embedding into every layer, add embeddings of the tokens
 * to the values, smear a token's embedding into its successor's and take a middle layer out at the end;
 * what a checkpoint lacks was not there when it was trained.
 * https://github.com/karpathy/nanochat
 */
import {
	CONTEXT_LENGTH_MIN,
	ConfigFields,
	MODEL_LIMITS,
	ModelConfigError,
} from '../config-fields.ts'
import type { NanochatConfig } from '../model-config.ts'
import { NetworkBuilder, scoreScale } from '../network.ts'
import type { Family, ForeignNames, Network } from './family.ts'

export const nanochat: Family<NanochatConfig> = {
	network: nanochatNetwork,
	foreign: { modelTypes: {}, names: nanochatNames },
}

/** Fields of `model_config`; another one would be a setting of a later revision. */
const KNOWN_FIELDS = [
	'sequence_len',
	'vocab_size',
	'n_layer',
	'n_head',
	'n_kv_head',
	'n_embd',
	'window_pattern',
]

/** Rows of the tables are padded to a multiple of this. */
const TABLE_ROWS_STEP = 64

/** Short windows end at a multiple of this since March 2026. */
const WINDOW_STEP = 128

/** Channels that the gate of the smear reads. */
const SMEAR_INPUTS = 24

/** Epsilon of `F.rms_norm` where none is given: the spacing of floats at 1. */
const NORM_EPSILON = 2 ** -23

const LOGIT_CAP = 15

/** The constants that changed between revisions. */
interface Revision {
	readonly theta: number
	/** Queries and keys are each multiplied by it. */
	readonly sharpness: number
	/** Gates of values: channels that they read, and the largest value. */
	readonly valueGate: { readonly inputs: number; readonly scale: number }
	/** Tokens to the left that a short window of a context reaches. */
	readonly shortWindow: (contextLength: number) => number
}

/** A share of the context in whole steps. */
const share = (parts: number) => (contextLength: number) =>
	Math.ceil(Math.ceil(contextLength / parts) / WINDOW_STEP) * WINDOW_STEP

const REVISIONS = {
	/** October 2025 to March 2026. */
	first: {
		theta: 10_000,
		sharpness: 1,
		valueGate: { inputs: 32, scale: 2 },
		shortWindow: (contextLength) => Math.floor(contextLength / 2),
	},
	/** From March 9th, 2026 on. */
	sharper: {
		theta: 100_000,
		sharpness: 1.15,
		valueGate: { inputs: 12, scale: 3 },
		shortWindow: share(3),
	},
	/** From March 14th, 2026 on. */
	smeared: {
		theta: 100_000,
		sharpness: 1.2,
		valueGate: { inputs: 12, scale: 3 },
		shortWindow: share(4),
	},
} as const satisfies Record<string, Revision>

/**
 * From the `model_config` of a meta file, and the shapes of the tensors beside it, which tell the revision.
 * Throws ModelConfigError.
 */
export function parseNanochatConfig(
	json: unknown,
	shapeOf: (tensor: string) => unknown,
): NanochatConfig {
	const fields = new ConfigFields(json, 'model_config')
	fields.expectOnly(KNOWN_FIELDS)
	const nEmbd = fields.integer('n_embd', [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer('n_head', [1, MODEL_LIMITS.nHead])
	if (nEmbd % (2 * nHead) !== 0) {
		fields.refuse(
			'n_head',
			`heads of an even number of channels, which n_embd ${nEmbd} divides into`,
		)
	}
	const nKvHead = fields.integer('n_kv_head', [1, MODEL_LIMITS.nHead], nHead)
	if (nHead % nKvHead !== 0) fields.refuse('n_kv_head', `a divisor of n_head ${nHead}`)
	const nLayer = fields.integer('n_layer', [1, MODEL_LIMITS.nLayer])
	const contextLength = fields.integer('sequence_len', [
		CONTEXT_LENGTH_MIN,
		MODEL_LIMITS.contextLength,
	])
	const vocabSize = fields.integer('vocab_size', [1, MODEL_LIMITS.vocabSize])
	const hasSmear = shapeOf('smear_lambda') !== undefined
	if (hasSmear && nEmbd < SMEAR_INPUTS) {
		fields.refuse('n_embd', `at least ${SMEAR_INPUTS}, which the smear reads`)
	}
	const gate = shapeOf(`h.${nLayer - 1}.attn.ve_gate.weight`)
	const revision = revisionOf(hasSmear, gate)
	return {
		family: 'nanochat',
		vocabSize,
		tableRows: tableRows(vocabSize, shapeOf('wte.weight')),
		contextLength,
		nLayer,
		nEmbd,
		nHead,
		nKvHead,
		theta: revision.theta,
		sharpness: revision.sharpness,
		windows: parseWindows(fields, nLayer, contextLength, revision),
		valueGate: gate === undefined ? null : revision.valueGate,
		hasLayerFactors: shapeOf('resid_lambdas') !== undefined,
		hasSmear,
		hasBackout: shapeOf('backout_lambda') !== undefined,
		logitCap: LOGIT_CAP,
	}
}

function revisionOf(hasSmear: boolean, gate: unknown): Revision {
	if (hasSmear) return REVISIONS.smeared
	if (gate === undefined) return REVISIONS.first
	const inputs = Array.isArray(gate) ? gate[1] : undefined
	for (const revision of [REVISIONS.first, REVISIONS.sharper]) {
		if (inputs === revision.valueGate.inputs) return revision
	}
	throw new ModelConfigError(
		`attn.ve_gate.weight: expected gates that read 12 or 32 channels, got shape [${gate}]`,
	)
}

/** Until December 2025 tables were not padded. */
function tableRows(vocabSize: number, shape: unknown): number {
	const padded = Math.ceil(vocabSize / TABLE_ROWS_STEP) * TABLE_ROWS_STEP
	return Array.isArray(shape) && shape[0] === vocabSize ? vocabSize : padded
}

/** Positions that each layer attends to, its own included; the last layer to all. */
function parseWindows(
	fields: ConfigFields,
	nLayer: number,
	contextLength: number,
	revision: Revision,
): readonly number[] {
	const pattern = fields.has('window_pattern') ? fields.value('window_pattern') : 'L'
	if (typeof pattern !== 'string' || !/^[SL]{1,512}$/i.test(pattern)) {
		return fields.refuse('window_pattern', 'letters S and L')
	}
	const short = revision.shortWindow(contextLength) + 1
	return Array.from({ length: nLayer }, (_, i) => {
		const isShort = pattern[i % pattern.length]!.toUpperCase() === 'S' && i < nLayer - 1
		return isShort && short < contextLength ? short : 0
	})
}

function nanochatNames(): ForeignNames {
	return {
		tensorName: (stored) => networkName(stored),
		isTransposed: () => false,
	}
}

/** The network's name of a tensor in a checkpoint. */
export function networkName(stored: string): string {
	return stored.replace(/^(_orig_mod\.|module\.|transformer\.)+/, '')
}

function nanochatNetwork(config: NanochatConfig): Network {
	const { vocabSize, tableRows, contextLength, nLayer, nEmbd, nHead, nKvHead } = config
	const { valueGate, hasLayerFactors, hasSmear, hasBackout, logitCap } = config
	const headDim = nEmbd / nHead
	const [kv, ffn] = [nKvHead * headDim, 4 * nEmbd]
	const scale = Math.fround(config.sharpness ** 2 * scoreScale(headDim))

	const build = new NetworkBuilder()
	const rotary = build.rotary(
		{
			channels: headDim,
			pairing: 'halves',
			isReversed: true,
			theta: config.theta,
			scaling: { kind: 'none' },
		},
		contextLength,
	)
	const wte = build.table('wte.weight', tableRows, nEmbd)
	const norm = build.bareRmsNorm(nEmbd, NORM_EPSILON)
	const headNorm = build.bareRmsNorm(headDim, NORM_EPSILON)
	const smear = hasSmear
		? {
				gate: build.table('smear_gate.weight', 1, SMEAR_INPUTS),
				scale: 1,
				factor: build.factors('smear_lambda', 1)[0]!,
			}
		: null
	const streamFactors = hasLayerFactors ? build.factors('resid_lambdas', nLayer) : null
	const firstFactors = hasLayerFactors ? build.factors('x0_lambdas', nLayer) : null
	const layers = Array.from({ length: nLayer }, (_, i) => {
		const attn = `h.${i}.attn`
		// On alternating layers, the last one included.
		const hasValues = valueGate !== null && i % 2 === (nLayer - 1) % 2
		return {
			streamFactor: streamFactors?.[i] ?? null,
			firstFactor: firstFactors?.[i] ?? null,
			qkv: build.matrix(nEmbd, {
				[`${attn}.c_q.weight`]: nEmbd,
				[`${attn}.c_k.weight`]: kv,
				[`${attn}.c_v.weight`]: kv,
			}),
			values: hasValues
				? {
						table: build.table(`value_embeds.${i}.weight`, tableRows, kv),
						gate: build.table(`${attn}.ve_gate.weight`, nKvHead, valueGate.inputs),
						scale: valueGate.scale,
						factor: null,
					}
				: null,
			attention: build.attention({
				heads: nHead,
				kvHeads: nKvHead,
				headDim,
				scale,
				window: config.windows[i] ?? 0,
			}),
			attentionOut: build.matrix(nEmbd, { [`${attn}.c_proj.weight`]: nEmbd }),
			mlpUp: build.matrix(nEmbd, { [`h.${i}.mlp.c_fc.weight`]: ffn }),
			activation: build.activation('relu_squared', ffn),
			mlpDown: build.matrix(ffn, { [`h.${i}.mlp.c_proj.weight`]: nEmbd }),
		}
	})
	const backout = hasBackout ? build.factors('backout_lambda', 1)[0]! : null
	// Logits of the padding are cut off.
	const moves = [{ firstRow: 0, rows: vocabSize, at: 0 }]
	const head = build.linear(nEmbd, { lm_head: tableRows }, { bias: false, moves })

	const first = build.buffer(nEmbd)
	// The stream up to the middle layer stays as it was there, for the backout.
	const lower = build.buffer(nEmbd)
	const x = build.buffer(nEmbd)
	const h = build.buffer(nEmbd)
	// q | k | v, later the hidden layer of the MLP.
	const wide = build.buffer(Math.max(nEmbd + 2 * kv, ffn))
	// Embeddings of the tokens before, later those of a layer's values.
	const looked = build.buffer(Math.max(nEmbd, kv))
	const attended = build.buffer(nEmbd)
	const logits = build.buffer(vocabSize)
	const middle = Math.floor(nLayer / 2)

	return {
		...build.memory(),
		x,
		hidden: h,
		logits,
		finalNorm: norm,
		head,
		logitCap,
		forward(ops) {
			ops.embed(first, wte)
			ops.norm(first, first, norm)
			if (smear) {
				ops.embedPrevious(looked, wte)
				ops.norm(looked, looked, norm)
				ops.addGated(first, looked, first, smear)
			}
			let before = first
			for (const [i, layer] of layers.entries()) {
				const stream = i <= middle ? lower : x
				const { streamFactor: own, firstFactor: other } = layer
				if (own && other) ops.mix(stream, before, first, { own, other, sign: 1 })
				else if (stream !== before) ops.copy(stream, before)
				before = stream
				ops.norm(h, stream, norm)
				ops.linear(wide, h, layer.qkv)
				if (layer.values) {
					ops.embed(looked, layer.values.table)
					ops.addGatedValues(wide, layer.attention, looked, h, layer.values)
				}
				ops.rotate(wide, layer.attention, rotary)
				ops.normQueries(wide, layer.attention, headNorm)
				ops.normKeys(wide, layer.attention, headNorm)
				ops.storeKeysValues(wide, layer.attention)
				// The backout reads `lower`.
				if (layer === layers.at(-1) && !ops.keepWantedRows(stream, lower, wide)) return
				ops.attention(attended, wide, layer.attention)
				ops.addLinear(stream, attended, layer.attentionOut)

				ops.norm(h, stream, norm)
				ops.linear(wide, h, layer.mlpUp)
				ops.activate(wide, layer.activation)
				ops.addLinear(stream, wide, layer.mlpDown)
			}
			if (backout) ops.mix(x, before, lower, { own: null, other: backout, sign: -1 })
			else if (before !== x) ops.copy(x, before)
		},
	}
}
