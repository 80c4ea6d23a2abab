import { type Kernels, pointerOf } from '../../../kernels/binding.ts'
import type { Dtype, DtypeChoice } from '../../../model/model-config.ts'
import { packTensor, weightLayout } from '../../../model/weights.ts'
import type { TokenizerSpec } from '../../../tokenizer/tokenizer.ts'
import type { CheckpointFile } from '../../formats/types.ts'
import { readTensors, type VerifiedCheckpoint, verifyStructure } from '../../verify.ts'
import type { CheckpointInfo, LoadedCheckpoint, TokenizerSummary } from '../checkpoint-info.ts'

/** Verifies everything but the numbers. Throws CheckpointError. */
export function inspectCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	dtype: DtypeChoice,
): CheckpointInfo {
	return describe(kernels, file, verifyStructure(file), dtype)
}

/** Verifies a checkpoint to its last number without keeping it. Throws CheckpointError. */
export function verifyCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	dtype: DtypeChoice,
): CheckpointInfo {
	const checkpoint = verifyStructure(file)
	readTensors(kernels, checkpoint, () => {})
	return describe(kernels, file, checkpoint, dtype)
}

/**
 * Verifies a checkpoint and packs it for the kernels, block by block: memory stays at the arena plus
 * a few MiB. `allocate` gives the zero-filled arena, or throws. Throws CheckpointError.
 */
export function loadCheckpoint(
	kernels: Kernels,
	file: CheckpointFile,
	dtype: DtypeChoice,
	allocate: (bytes: number) => SharedArrayBuffer,
): LoadedCheckpoint {
	const checkpoint = verifyStructure(file)
	const described = describe(kernels, file, checkpoint, dtype)
	const layout = weightLayout(kernels, checkpoint.config, described.dtype)
	const arena = allocate(layout.totalBytes)
	kernels.adviseHugePages(pointerOf(new Uint8Array(arena)), arena.byteLength)
	const digest = new ModelDigest(checkpoint)
	readTensors(kernels, checkpoint, ({ tensor, firstRow, data }) => {
		digest.update(tensor.name, data)
		const { isTransposed } = tensor
		packTensor(kernels, layout, arena, tensor.name, data, { firstRow, isTransposed })
	})
	return {
		...described,
		tokenizerSpec: checkpoint.tokenizerSpec,
		arena,
		digest: digest.finish(),
	}
}

function describe(
	kernels: Kernels,
	file: CheckpointFile,
	checkpoint: VerifiedCheckpoint,
	choice: DtypeChoice,
): CheckpointInfo {
	const { config, tokenizerSpec, step, parameterCount } = checkpoint
	const dtype = choice === 'auto' ? nearestDtype(checkpoint) : choice
	const arenaBytes = weightLayout(kernels, config, dtype).totalBytes
	const tokenizer: TokenizerSummary = {
		type: tokenizerSpec.type,
		vocabSize: tokenizerSpec.vocab.length,
		mergeCount: mergeCount(tokenizerSpec),
		hasChatTemplate: 'chatTemplate' in tokenizerSpec && Boolean(tokenizerSpec.chatTemplate),
		specialTokens: tokenizerSpec.specialTokens,
	}
	const loss = file.readLoss?.(kernels) ?? null
	return { form: file.form, config, tokenizer, step, loss, parameterCount, dtype, arenaBytes }
}

/** Bytes with a scale for each group, as files name them. */
const BYTE_GROUPS = ['Q8_0', 'int8 groups']

/** The format that is nearest to how most numbers of a file are stored; what it would round, it leaves f32. */
function nearestDtype({ tensors }: VerifiedCheckpoint): Dtype {
	const counts: Record<Dtype, number> = { f32: 0, bf16: 0, int8: 0 }
	for (const { stored } of tensors) {
		const isBytes = stored.format === 'quantized' && BYTE_GROUPS.includes(stored.dtype)
		counts[stored.format === 'bf16' ? 'bf16' : isBytes ? 'int8' : 'f32'] += stored.elements[0]
	}
	return DTYPES.reduce((best, dtype) => (counts[dtype] > counts[best] ? dtype : best))
}

const DTYPES = ['f32', 'bf16', 'int8'] as const

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
