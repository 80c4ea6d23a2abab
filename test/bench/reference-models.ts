/*
 * The reference models S, M and L with seeded random weights. Each tensor's numbers depend on
 * its name alone, so every form in which a model is written (checkpoint, GGUF) holds the same ones.
 */
import type { Network } from '../../src/model/families/family.ts'
import { networkOf } from '../../src/model/families.ts'
import type { AlphaConfig, ModelConfig } from '../../src/model/model-config.ts'
import type { PackedSlot } from '../../src/model/network.ts'
import { parseModelConfig } from '../../src/model/parse-model-config.ts'
import { uniform } from '../helpers/random-model.ts'

/** `modelConfig` as a checkpoint stores it. */
export interface StoredModelConfig {
	readonly vocabSize: number
	readonly blockSize: number
	readonly nLayer: number
	readonly nEmbd: number
	readonly nHead: number
}

export interface ReferenceModel {
	readonly name: string
	readonly stored: StoredModelConfig
	readonly config: AlphaConfig
}

export interface RandomTensor {
	readonly name: string
	readonly shape: readonly number[]
	readonly data: Float32Array
}

/** A model of this shape; `gelu`, and the soft cap that binary checkpoints have by default. */
export function referenceModel(name: string, stored: StoredModelConfig): ReferenceModel {
	return { name, stored, config: parseModelConfig(stored, 'binary') }
}

export const REFERENCE_MODELS = {
	S: referenceModel('S', { vocabSize: 2000, blockSize: 256, nLayer: 6, nEmbd: 256, nHead: 8 }),
	M: referenceModel('M', { vocabSize: 4000, blockSize: 512, nLayer: 8, nEmbd: 384, nHead: 8 }),
	L: referenceModel('L', { vocabSize: 50257, blockSize: 1024, nLayer: 12, nEmbd: 768, nHead: 12 }),
} as const

/** Every tensor of a model, made when its turn comes: a large model is never held as a whole. */
export function* randomTensors(config: ModelConfig): Generator<RandomTensor> {
	for (const { name, shape } of networkOf(config).tensors.values()) {
		// The fused form of q, k and v is enough.
		if (/attn\.w[qkv]$/.test(name)) continue
		const data = new Float32Array(shape.reduce((product, size) => product * size, 1))
		const next = uniform(Bun.hash.crc32(name))
		const isNormWeight = /ln.*weight$/.test(name)
		// Scaled so that activations keep their size and the output distribution is not flat.
		const scale = shape.length === 2 ? 3 / Math.sqrt(shape[1]!) : 0.1
		for (let i = 0; i < data.length; i++) data[i] = (isNormWeight ? 1 : 0) + (next() - 0.5) * scale
		yield { name, shape, data }
	}
}

/** Matrices of all layers, in the order in which a token meets them. */
export function layerMatrices({ slots, head }: Network): PackedSlot[] {
	return slots.flatMap((slot) => (slot.kind === 'packed' && slot !== head.weight ? [slot] : []))
}

/**
 * Of these, the last ones: behind the keys and values of the last layer, where only tokens go on whose logits are
 * wanted. All families have four in a layer, of which the first makes queries, keys and values.
 */
export const LAST_LAYER_REST = 3

/** Numbers of a model that take part in each token: all but the embedding tables. */
export function multipliedParameters({ config }: { readonly config: ModelConfig }): {
	readonly layers: number
	/** Of these, in LAST_LAYER_REST. */
	readonly lastLayerRest: number
	readonly head: number
} {
	const network = networkOf(config)
	const { head } = network
	const matrices = layerMatrices(network).map(({ inputs, outputs }) => inputs * outputs)
	const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0)
	return {
		layers: sum(matrices),
		lastLayerRest: sum(matrices.slice(-LAST_LAYER_REST)),
		head: head.weight.inputs * head.weight.outputs,
	}
}

/** A vocabulary of words as long as a tokenizer's usual tokens; "\n" is id 0. */
export function wordVocabulary(size: number): string[] {
	const letters = 'abcdefghijklmnopqrstuvwxyz'
	const word = (id: number) =>
		[26 ** 3, 26 ** 2, 26, 1].map((place) => letters[Math.floor(id / place) % 26]).join('')
	return ['\n', ...Array.from({ length: size - 1 }, (_, id) => word(id))]
}
