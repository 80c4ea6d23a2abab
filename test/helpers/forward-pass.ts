import { type Kernels, kvBlockTokens } from '../../src/kernels/binding.ts'
import { Gpt } from '../../src/model/gpt.ts'
import type { Dtype, ModelConfig } from '../../src/model/model-config.ts'
import { weightLayout } from '../../src/model/weights.ts'

/** The network with enough blocks for one sequence; the function spans a whole prompt through it. */
export function forwardPass(
	kernels: Kernels,
	model: {
		readonly config: ModelConfig
		readonly dtype: Dtype
		readonly arena: SharedArrayBuffer
	},
): (ids: readonly number[], wantsAllRows?: boolean) => Gpt {
	const { config, dtype, arena } = model
	const blockCount = Math.ceil(config.contextLength / kvBlockTokens)
	const limits = { rowsMax: config.contextLength, spansMax: 1, blocksPerSequence: blockCount }
	const gpt = new Gpt(kernels, weightLayout(kernels, config, dtype), arena, limits, blockCount)
	const blocks = Int32Array.from({ length: blockCount }, (_, i) => blockCount - 1 - i)
	return (ids, wantsAllRows = false) => {
		gpt.batch.clear()
		gpt.batch.wantsAllRows = wantsAllRows
		gpt.batch.addSpan(ids.length, 0, blocks, blockCount)
		for (const [position, id] of ids.entries()) {
			const block = blocks[Math.floor(position / kvBlockTokens)]!
			const slot = block * kvBlockTokens + (position % kvBlockTokens)
			gpt.batch.addRow(id, ids[position - 1] ?? -1, position, slot)
		}
		gpt.batch.wantLogits()
		gpt.forward()
		return gpt
	}
}
