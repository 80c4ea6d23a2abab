import type { LoadModel } from '../../src/engine/messages.ts'
import { type Kernels, pointerOf } from '../../src/kernels/binding.ts'
import type { AlphaConfig, Dtype, ModelConfig } from '../../src/model/model-config.ts'
import { packTensor, weightLayout } from '../../src/model/weights.ts'

/** A small network of any shape; `changes` say what a test is about. */
export function tinyConfig(changes: Partial<AlphaConfig> = {}): AlphaConfig {
	return {
		family: 'alpha',
		vocabSize: 97,
		contextLength: 64,
		nLayer: 2,
		nEmbd: 40,
		nHead: 4,
		ffnDim: 72,
		activation: { kind: 'gelu' },
		softCap: 30,
		...changes,
	}
}

/** Uniform numbers in [0, 1) from a seed: xorshift32, good enough to fill weights with. */
export function uniform(seed: number): () => number {
	let state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1
	return () => {
		state ^= state << 13
		state ^= state >>> 17
		state ^= state << 5
		return (state >>> 0) / 2 ** 32
	}
}

/** A network with seeded random weights, scaled so that its output distributions are not flat. */
export function randomModel(
	kernels: Kernels,
	config: ModelConfig,
	dtype: Dtype = 'f32',
	seed = 1,
): Omit<LoadModel, 'modelKey' | 'limits'> & { readonly arena: SharedArrayBuffer } {
	const layout = weightLayout(kernels, config, dtype)
	const arena = new SharedArrayBuffer(layout.totalBytes)
	kernels.adviseHugePages(pointerOf(new Uint8Array(arena)), arena.byteLength)
	const next = uniform(seed)
	for (const { name, shape } of layout.network.tensors.values()) {
		// One of the two ways to give q, k and v is enough.
		if (/attn\.w[qkv]$/.test(name)) continue
		const data = new Float32Array(shape.reduce((product, size) => product * size, 1))
		const isNorm = name.includes('ln') && name.endsWith('weight')
		const inputs = shape.length === 2 ? (shape[1] ?? 1) : 1
		const scale = shape.length === 2 ? 3 / Math.sqrt(inputs) : 0.1
		for (let i = 0; i < data.length; i++) data[i] = (isNorm ? 1 : 0) + (next() - 0.5) * scale
		packTensor(kernels, layout, arena, name, data)
	}
	return { config, tokenCount: config.vocabSize, dtype, arena }
}
