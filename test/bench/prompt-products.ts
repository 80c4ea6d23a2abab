import { type Kernels, kernelDtypes } from '../../src/kernels/binding.ts'
import { alignedFloats, Matrix } from '../../src/kernels/buffer.ts'
import { arenaBase, weightLayout } from '../../src/model/weights.ts'
import type { Bench, BenchModel } from './bench-context.ts'
import { LAST_LAYER_REST, layerMatrices } from './reference-models.ts'
import { meanSeconds } from './statistics.ts'

/** The matrix products of a prompt, in its order, with the model's weights and nothing between them. */
export interface PromptProducts {
	readonly tokens: number
	/** Of all of them. */
	readonly multiplyAdds: number
	/** Computes them once. */
	readonly run: () => void
}

/** Those that all tokens of a prompt take part in. */
export function promptProducts(
	kernels: Kernels,
	model: BenchModel,
	tokens: number,
): PromptProducts {
	const { network, offsets } = weightLayout(kernels, model.config, model.dtype)
	const dtype = kernelDtypes[model.dtype]
	const products = layerMatrices(network).slice(0, -LAST_LAYER_REST)
	const x = new Matrix(tokens, Math.max(...products.map(({ inputs }) => inputs)))
	const out = new Matrix(tokens, Math.max(...products.map(({ outputs }) => outputs)))
	const scratchBytes = kernels.matmulScratchBytes(dtype, tokens, x.columns)
	const scratch = alignedFloats(Math.max(1, Math.ceil(scratchBytes / 4)))
	x.array.fill(1)
	const run = () => {
		const base = arenaBase(model.arena)
		for (const { index, inputs: k, outputs: n } of products) {
			const weight = base + offsets[index]!
			kernels.matmul(
				dtype,
				out.address,
				out.stride,
				x.address,
				x.stride,
				weight,
				0,
				tokens,
				k,
				n,
				0,
				scratch.address,
			)
		}
	}
	const multiplyAdds = products.reduce((sum, slot) => sum + slot.inputs * slot.outputs, 0) * tokens
	return { tokens, multiplyAdds, run }
}

/** Tokens a second of a prompt read at `speed`, if products ran at a limit in multiply-adds a second and the rest as it does. */
export function boundedSpeed(
	{ sampleSeconds }: Pick<Bench, 'sampleSeconds'>,
	{ tokens, multiplyAdds, run }: PromptProducts,
	speed: number,
	limit: number,
): number {
	run()
	const seconds = meanSeconds(sampleSeconds, run)
	return tokens / (tokens / speed - seconds + multiplyAdds / limit)
}
