import { type Kernels, kernelDtypes } from '../../src/kernels/binding.ts'
import { alignedFloats, Matrix } from '../../src/kernels/buffer.ts'
import type { Dtype, ModelConfig } from '../../src/model/model-config.ts'
import { arenaBase, weightLayout } from '../../src/model/weights.ts'

/** The matrix products of a prompt, in its order, with the model's weights and nothing between them. */
export class PromptProducts {
	/** Of all of them. */
	readonly multiplyAdds: number
	/** Computes them once. */
	readonly run: () => void

	constructor(
		kernels: Kernels,
		model: {
			readonly config: ModelConfig
			readonly dtype: Dtype
			readonly arena: SharedArrayBuffer
		},
		tokens: number,
	) {
		const { network, offsets } = weightLayout(kernels, model.config, model.dtype)
		const dtype = kernelDtypes[model.dtype]
		const base = arenaBase(model.arena)
		const matrices = network.slots.flatMap((slot) =>
			slot.kind === 'packed' && slot !== network.head.weight ? [slot] : [],
		)
		// Behind keys and values of the last layer, and for logits, there is only one token.
		const products = matrices.slice(0, -3)
		const most = (counts: readonly number[]) => Math.max(...counts)
		const x = new Matrix(tokens, most(products.map(({ inputs }) => inputs)))
		const out = new Matrix(tokens, most(products.map(({ outputs }) => outputs)))
		const scratch = alignedFloats(
			Math.ceil(kernels.matmulScratchBytes(dtype, tokens, x.columns) / 4),
		)
		x.array.fill(1)
		this.multiplyAdds = products.reduce((sum, slot) => sum + tokens * slot.inputs * slot.outputs, 0)
		this.run = () => {
			for (const { index, inputs, outputs } of products) {
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
					inputs,
					outputs,
					0,
					scratch.address,
				)
			}
			// Memory must outlive the calls that got its address.
			void [model.arena, scratch.array]
		}
	}
}
