/*
 * The trust boundary: what passes here can be packed and computed with. Uploaded or copied bytes are
 * hostile until then; memory for weights is asked for only after the file has shown that it has them.
 */
import { type Kernels, pointerOf } from '../kernels/binding.ts'
import { describeValue } from '../lib/json.ts'
import { networkOf } from '../model/families.ts'
import type { ModelConfig } from '../model/model-config.ts'
import type { TensorSpec } from '../model/network.ts'
import type { TokenizerSpec } from '../tokenizer/tokenizer.ts'
import { CheckpointError } from './formats/checkpoint-error.ts'
import type { CheckpointFile, StoredTensor } from './formats/types.ts'

/** Faults of a kind that one message lists. */
const LISTED_FAULTS_MAX = 10

/** Numbers that are read, checked and packed at a time. */
const BLOCK_ELEMENTS = 2 ** 20

/** A stored tensor that has the shape which the config gives it. */
export interface VerifiedTensor {
	readonly name: string
	/** As it is stored. */
	readonly shape: readonly number[]
	/** A matrix of which rows are inputs, not outputs. */
	readonly isTransposed: boolean
	readonly stored: StoredTensor
}

/** A checkpoint whose structure makes a model. The numbers are checked as they are read. */
export interface VerifiedCheckpoint {
	readonly config: ModelConfig
	readonly tokenizerSpec: TokenizerSpec
	/** Training step that the file names, or null. */
	readonly step: number | null
	/** The tensors that the model consists of. */
	readonly tensors: readonly VerifiedTensor[]
	readonly parameterCount: number
}

/**
 * Verifies config, tokenizer, tensor names, shapes and sizes. Unknown extra tensors are ignored.
 * Throws CheckpointError.
 */
export function verifyStructure(file: CheckpointFile): VerifiedCheckpoint {
	const config = refusing(() => file.parseConfig())
	const tokenizerSpec = refusing(() => file.parseTokenizer())
	const entries = tokenizerSpec.vocab.length
	if (entries > config.vocabSize) {
		throw new CheckpointError(
			`wte: expected a row for each of the tokenizer's ${entries} entries, ` +
				`got vocabSize ${config.vocabSize}`,
		)
	}
	const stored = file.tensorsOf(config)
	const specs = chooseTensors(stored, config)
	const faults = specs.flatMap((spec) => tensorFaults(spec, stored.get(spec.name)))
	if (faults.length > 0) {
		const more = faults.length - LISTED_FAULTS_MAX
		const listed = faults.slice(0, LISTED_FAULTS_MAX).join('; ')
		throw new CheckpointError(more > 0 ? `${listed}; and ${more} more` : listed)
	}
	const tensors = specs.map((spec): VerifiedTensor => {
		const tensor = stored.get(spec.name)!
		const isTransposed = tensor.isTransposed === true
		return { name: spec.name, shape: storedShape(spec, tensor), isTransposed, stored: tensor }
	})
	return {
		config,
		tokenizerSpec,
		step: Number.isSafeInteger(file.step) ? (file.step as number) : null,
		tensors,
		parameterCount: tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0),
	}
}

/** The specs to read: all that have no alternative, and of alternatives the first complete one. */
function chooseTensors(
	stored: ReadonlyMap<string, StoredTensor>,
	config: ModelConfig,
): readonly TensorSpec[] {
	const { tensors, alternatives } = networkOf(config)
	const ignored = new Set<string>()
	for (const sets of alternatives) {
		const isComplete = (names: readonly string[]) => names.every((name) => stored.has(name))
		// Where none is complete, the one that has begun is the one whose rest is missing.
		const chosen =
			sets.find(isComplete) ??
			sets.find((names) => names.some((name) => stored.has(name))) ??
			sets[0]
		for (const names of sets) {
			if (names !== chosen) for (const name of names) ignored.add(name)
		}
	}
	return [...tensors.values()].filter(({ name }) => !ignored.has(name))
}

function tensorFaults(spec: TensorSpec, stored: StoredTensor | undefined): readonly string[] {
	const shape = storedShape(spec, stored)
	const expected = `[${shape.join(', ')}]`
	if (stored === undefined) return [`${spec.name}: expected shape ${expected}, got no such tensor`]
	if (!Bun.deepEquals(stored.shape, shape)) {
		return [`${spec.name}: expected shape ${expected}, got ${describeValue(stored.shape)}`]
	}
	if (stored.format === null) {
		return [`${spec.name}: expected numbers in f32, f16 or bf16, got ${stored.dtype}`]
	}
	const count = elementsOf(spec.shape)
	const [min, max] = stored.elements
	if (count < min || count > max) {
		const found = min === max ? `${max}` : `room for at most ${max}`
		return [`${spec.name}: expected ${count} numbers by its shape, got ${found}`]
	}
	return []
}

/** The shape that a tensor must have in its file. */
function storedShape(spec: TensorSpec, stored: StoredTensor | undefined): readonly number[] {
	return stored?.isTransposed === true ? spec.shape.toReversed() : spec.shape
}

function elementsOf(shape: readonly number[]): number {
	return shape.reduce((product, size) => product * size, 1)
}

/** Some whole rows of a tensor as it is stored. */
export interface TensorBlock {
	readonly tensor: VerifiedTensor
	readonly firstRow: number
	/** Row-major, finite; valid until the next block. */
	readonly data: Float32Array
}

/**
 * Reads all tensors in blocks of whole rows and hands each to `onBlock`. Throws CheckpointError for
 * missing or surplus numbers and at the first one that is not finite.
 */
export function readTensors(
	kernels: Kernels,
	checkpoint: VerifiedCheckpoint,
	onBlock: (block: TensorBlock) => void,
): void {
	const buffer = new Float32Array(blockCapacity(checkpoint.tensors))
	for (const tensor of checkpoint.tensors) {
		const rows = tensor.shape[0]!
		const rowLength = rowLengthOf(tensor)
		const blockRows = blockRowsOf(tensor)
		const reader = tensor.stored.open(kernels)
		for (let firstRow = 0; firstRow < rows; firstRow += blockRows) {
			const count = Math.min(blockRows, rows - firstRow) * rowLength
			const data = buffer.subarray(0, count)
			reader.read(data)
			const index = kernels.firstNonfinite(pointerOf(data), count)
			if (index !== -1) {
				throw new CheckpointError(
					`${tensor.name}: expected finite numbers, ` +
						`got ${data[index]} at index ${firstRow * rowLength + index}`,
				)
			}
			onBlock({ tensor, firstRow, data })
		}
		reader.expectEnd()
	}
}

/** Inputs are packed in groups of this many. */
const INPUT_GROUP = 256

function blockRowsOf(tensor: VerifiedTensor): number {
	const rows = Math.max(1, Math.floor(BLOCK_ELEMENTS / rowLengthOf(tensor)))
	const groups = Math.max(1, Math.floor(rows / INPUT_GROUP))
	return Math.min(tensor.isTransposed ? groups * INPUT_GROUP : rows, tensor.shape[0]!)
}

function rowLengthOf(tensor: VerifiedTensor): number {
	return elementsOf(tensor.shape.slice(1))
}

function blockCapacity(tensors: readonly VerifiedTensor[]): number {
	return Math.max(...tensors.map((tensor) => blockRowsOf(tensor) * rowLengthOf(tensor)))
}

/** Runs a parser of plain data whose errors are meant for the reader. */
function refusing<T>(parse: () => T): T {
	try {
		return parse()
	} catch (cause) {
		if (!(cause instanceof Error)) throw cause
		throw new CheckpointError(cause.message, { cause })
	}
}
