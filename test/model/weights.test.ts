import { expect, test } from 'bun:test'
import { openKernels } from '../../src/kernels/binding.ts'
import { parseForeignConfig } from '../../src/model/families.ts'
import { packTensor, weightLayout } from '../../src/model/weights.ts'
import { uniform } from '../helpers/random-model.ts'
import { libraryPath } from '../helpers/test-engine.ts'

const kernels = openKernels(libraryPath)
kernels.select('')

const config = parseForeignConfig(
	{ model_type: 'gpt2', vocab_size: 40, n_positions: 8, n_embd: 520, n_layer: 1, n_head: 4 },
	'huggingface',
)

test.each(['f32', 'bf16', 'int8'] as const)(
	'a matrix that is stored by inputs is packed as one that is stored by outputs, in %s',
	(dtype) => {
		const layout = weightLayout(kernels, config, dtype)
		const name = 'h.0.attn.c_attn.weight'
		const [outputs, inputs] = layout.network.tensors.get(name)!.shape as [number, number]
		const next = uniform(3)
		const byInputs = Float32Array.from({ length: inputs * outputs }, () => next() - 0.5)
		const byOutputs = Float32Array.from({ length: inputs * outputs }, (_, i) => {
			return byInputs[(i % inputs) * outputs + Math.floor(i / inputs)]!
		})
		const expected = new SharedArrayBuffer(layout.totalBytes)
		packTensor(kernels, layout, expected, name, byOutputs)
		const packed = new SharedArrayBuffer(layout.totalBytes)
		for (let firstRow = 0; firstRow < inputs; firstRow += 256) {
			const rows = byInputs.subarray(firstRow * outputs, (firstRow + 256) * outputs)
			packTensor(kernels, layout, packed, name, rows, { firstRow, isTransposed: true })
		}
		expect(aligned(expected).length).toBeGreaterThan(inputs * outputs)
		expect(aligned(packed)).toEqual(aligned(expected))
	},
)

/** What is in an arena but for the zeros around it, which depend on where it lies. */
function aligned(arena: SharedArrayBuffer): Uint8Array {
	const bytes = new Uint8Array(arena)
	const first = bytes.findIndex((byte) => byte !== 0)
	return bytes.slice(first, bytes.findLastIndex((byte) => byte !== 0) + 1)
}
