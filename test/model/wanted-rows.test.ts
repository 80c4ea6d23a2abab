import { describe, expect, test } from 'bun:test'
import { openKernels } from '../../src/kernels/binding.ts'
import { Gpt } from '../../src/model/gpt.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { weightLayout } from '../../src/model/weights.ts'
import { familyDirectories, loadNetwork } from '../helpers/families.ts'
import { loadTrained, trainedModels } from '../helpers/fixtures.ts'
import { libraryPath } from '../helpers/test-engine.ts'

const kernels = openKernels(libraryPath)
kernels.select('')

type Loaded = Pick<ReturnType<typeof loadNetwork>, 'config' | 'arena' | 'dtype'>

/** Two prompts of eight and five tokens in one step, rows 0 to 7 and 8 to 12. */
const PROMPTS = [
	[1, 5, 2, 7, 3, 3, 6, 4],
	[2, 2, 9, 1, 8],
]
const ALL = Array.from({ length: 13 }, (_, row) => row)

/** Logits of the wanted rows, then those of one more token behind each prompt, which reads what was stored. */
function logitsOf(
	{ config, arena, dtype }: Loaded,
	wanted: readonly number[],
	wantsAllRows = false,
): Uint8Array[] {
	const limits = { rowsMax: 16, spansMax: 2, blocksPerSequence: 1 }
	const gpt = new Gpt(kernels, weightLayout(kernels, config, dtype), arena, limits, 2)
	const { batch } = gpt
	const logits: Uint8Array[] = []
	const run = () => {
		gpt.forward()
		for (let row = 0; row < batch.logitRowCount; row++) {
			logits.push(new Uint8Array(gpt.logits.row(row).slice().buffer))
		}
		batch.clear()
	}
	batch.wantsAllRows = wantsAllRows
	for (const [block, ids] of PROMPTS.entries()) {
		batch.addSpan(ids.length, 0, Int32Array.of(block), 1)
		for (const [position, id] of ids.entries()) {
			const row = batch.rowCount
			batch.addRow(id, ids[position - 1] ?? -1, position, block * 32 + position)
			if (wanted.includes(row)) batch.wantLogits()
		}
	}
	run()
	for (const [block, ids] of PROMPTS.entries()) {
		batch.addSpan(1, ids.length, Int32Array.of(block), 1)
		batch.addRow(3, ids.at(-1)!, ids.length, block * 32 + ids.length)
		batch.wantLogits()
	}
	run()
	return logits
}

const alphas = ['v2-gelu-bpe', 'v2-swiglu'] as const
const networks: readonly (readonly [string, (dtype: Dtype) => Loaded])[] = [
	...familyDirectories().map(
		(name) => [name, (dtype: Dtype) => ({ ...loadNetwork(kernels, name, dtype), dtype })] as const,
	),
	...trainedModels()
		.filter(({ name }) => (alphas as readonly string[]).includes(name))
		.map((model) => [model.name, (dtype: Dtype) => loadTrained(kernels, model, dtype)] as const),
]

describe.each(networks)('rows of %s', (_, load) => {
	test.each(['f32', 'bf16', 'int8'] as const)(
		'have the same logits in %s, whichever others are wanted',
		(dtype) => {
			const loaded = load(dtype)
			const all = logitsOf(loaded, ALL)
			for (const wanted of [[7, 12], [12], [0, 1, 2, 7], [2, 3, 7, 8, 9, 12], []]) {
				const rows = [...wanted, ALL.length, ALL.length + 1]
				const expected = rows.map((row) => all[row]!)
				expect(logitsOf(loaded, wanted)).toEqual(expected)
				expect(logitsOf(loaded, wanted, true)).toEqual(expected)
			}
		},
	)
})
