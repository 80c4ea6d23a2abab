import { type Kernels, pointerOf } from '../../../kernels/binding.ts'
import type { Dtype } from '../../../model/model-config.ts'
import { packTensor, weightLayout } from '../../../model/weights.ts'
import type { TokenizerSpec } from '../../../tokenizer/tokenizer.ts'
import type { CheckpointFile } from '../../formats/types.ts'
import { readTensors, type VerifiedCheckpoint, verifyStructure } from '../../verify.ts'
import type { CheckpointInfo, LoadedCheckpoint, TokenizerSummary } from '../checkpoint-info.ts'

/** Verifies everything but the numbers. Throws CheckpointError. */
export function inspectCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	dtype: Dtype,
): CheckpointInfo {
	return describe(kernels, file.form, verifyStructure(file), dtype)
}

/** Verifies a checkpoint to its last number without keeping it. Throws CheckpointError. */
export function verifyCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	dtype: Dtype,
): CheckpointInfo {
	const checkpoint = verifyStructure(file)
	readTensors(kernels, checkpoint, () => {})
	return describe(kernels, file.form, checkpoint, dtype)
}

/**
 * Verifies a checkpoint and packs it for the kernels, block by block: memory stays at the arena plus
 * a few MiB. `allocate` gives the zero-filled arena, or throws. Throws CheckpointError.
 */
export function loadCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	dtype: Dtype,
	allocate: (bytes: number) => SharedArrayBuffer,
): LoadedCheckpoint {
	const checkpoint = verifyStructure(file)
	const layout = weightLayout(kernels, checkpoint.config, dtype)
	const arena = allocate(layout.totalBytes)
	kernels.adviseHugePages(pointerOf(new Uint8Array(arena)), arena.byteLength)
	const digest = new ModelDigest(checkpoint)
	readTensors(kernels, checkpoint, ({ tensor, firstRow, data }) => {
		digest.update(tensor.name, data)
		const { isTransposed } = tensor
		packTensor(kernels, layout, arena, tensor.name, data, { firstRow, isTransposed })
	})
	return {
		...describe(kernels, file.form, checkpoint, dtype),
		dtype,
		tokenizerSpec: checkpoint.tokenizerSpec,
		arena,
		digest: digest.finish(),
	}
}

function describe(
	kernels: Kernels,
	form: CheckpointInfo['form'],
	checkpoint: VerifiedCheckpoint,
	dtype: Dtype,
): CheckpointInfo {
	const { config, tokenizerSpec, step, parameterCount } = checkpoint
	const arenaBytes = weightLayout(kernels, config, dtype).totalBytes
	const tokenizer: TokenizerSummary = {
		type: tokenizerSpec.type,
		vocabSize: tokenizerSpec.vocab.length,
		mergeCount: mergeCount(tokenizerSpec),
		hasChatTemplate: 'chatTemplate' in tokenizerSpec && Boolean(tokenizerSpec.chatTemplate),
		specialTokens: tokenizerSpec.specialTokens,
	}
	return { form, config, tokenizer, step, parameterCount, arenaBytes }
}

/** Pairs of tokens that merge. */
function mergeCount(spec: TokenizerSpec): number {
	if (spec.type !== 'pieces') return spec.merges.length
	return spec.model.type === 'bpe' ? spec.model.merges.length / 4 : 0
}

/** Chains xxHash64 over each tensor; independent of the order in which a file stores them. */
class ModelDigest {
	readonly #head: string
	readonly #tensors = new Map<string, bigint>()

	constructor({ config, tokenizerSpec }: VerifiedCheckpoint) {
		// A list of numbers is named by its hash.
		const replacer = (_: string, value: unknown) =>
			ArrayBuffer.isView(value) ? `${Bun.hash(new Uint8Array(value.buffer))}` : value
		this.#head = JSON.stringify([config, tokenizerSpec], replacer)
	}

	update(name: string, data: Float32Array): void {
		this.#tensors.set(name, Bun.hash.xxHash64(data, this.#tensors.get(name) ?? 0n))
	}

	finish(): string {
		const lines = [...this.#tensors].map(([name, hash]) => `${name} ${hash}`)
		const hash = Bun.hash.xxHash64([this.#head, ...lines.sort()].join('\n'))
		return hash.toString(16).padStart(16, '0')
	}
}
