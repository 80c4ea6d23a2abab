/*
 * What `torch.save` writes since PyTorch 1.6: a zip archive with `data.pkl`, a pickle of the saved value,
 * and the bytes of each tensor storage as `data/<key>`. Only tensors and plain data are read.
 */
import type { Kernels } from '../../kernels/binding.ts'
import { quoted } from '../../lib/json.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'
import { NUMBER_BYTES, numberReader } from './number-format.ts'
import {
	PICKLE_BYTES_MAX,
	PickleGlobal,
	type PickleOptions,
	type PickleValue,
	readPickle,
} from './pickle.ts'
import {
	type NumberFormat,
	type StoredTensor,
	TENSOR_COUNT_MAX,
	TENSOR_NAME_LENGTH_MAX,
} from './types.ts'
import { checkSum, isZip, openZip, readEntryBytes, storedOffset, type ZipEntry } from './zip.ts'

/** Number formats by storage class; null = numbers that cannot be weights. */
const STORAGES: Readonly<Record<string, { format: NumberFormat | null; bytes: number }>> = {
	'torch FloatStorage': { format: 'f32', bytes: 4 },
	'torch HalfStorage': { format: 'f16', bytes: 2 },
	'torch BFloat16Storage': { format: 'bf16', bytes: 2 },
	'torch DoubleStorage': { format: null, bytes: 8 },
	'torch LongStorage': { format: null, bytes: 8 },
	'torch IntStorage': { format: null, bytes: 4 },
	'torch ShortStorage': { format: null, bytes: 2 },
	'torch CharStorage': { format: null, bytes: 1 },
	'torch ByteStorage': { format: null, bytes: 1 },
	'torch BoolStorage': { format: null, bytes: 1 },
}

/** Names that training scripts save beside tensors and whose values nobody needs: read as None. */
const IRRELEVANT_NAMES = [
	'_codecs encode',
	'numpy dtype',
	'numpy.core.multiarray scalar',
	'numpy._core.multiarray scalar',
	'torch device',
	'torch float32',
	'torch float16',
	'torch bfloat16',
]

const BYTE_ORDER_BYTES_MAX = 16
const CHECKED_BYTES = 2 ** 20

/** First bytes of a file that PyTorch before 1.6 has written: a pickled magic number. */
const LEGACY_START = [0x80, 0x02, 0x8a, 0x0a]

/** A tensor of the saved value; its numbers stay in the file until they are read. */
export class TorchTensor {
	readonly shape: readonly number[]
	readonly #storage: Storage
	/** Elements of the storage before the first one, and between neighbours of each dimension. */
	readonly #offset: number
	readonly #strides: readonly number[]

	constructor(
		storage: Storage,
		place: { offset: number; shape: readonly number[]; strides: readonly number[] },
	) {
		this.#storage = storage
		this.shape = place.shape
		this.#offset = place.offset
		this.#strides = place.strides
	}

	get elements(): number {
		return this.shape.reduce((product, size) => product * size, 1)
	}

	/** The tensor under a name, for the verification that follows. */
	named(name: string): StoredTensor {
		const { elements, shape } = this
		return {
			name,
			shape,
			dtype: this.#storage.className.replace('torch ', ''),
			format: this.#storage.format,
			elements: [elements, elements],
			open: (kernels) => this.#open(kernels, name),
		}
	}

	#open(kernels: Kernels, name: string) {
		const { format, className } = this.#storage
		if (format === null) {
			throw new CheckpointError(`${name}: expected f32, f16 or bf16 numbers, got ${className}`)
		}
		if (!this.#isContiguous()) {
			const strides = `[${this.#strides.join(', ')}]`
			throw new CheckpointError(`${name}: expected row-major strides, got ${strides}`)
		}
		return this.#storage.read(kernels, this.#offset, this.elements, format)
	}

	#isContiguous(): boolean {
		let expected = 1
		for (let i = this.shape.length - 1; i >= 0; i--) {
			if (this.shape[i]! > 1 && this.#strides[i] !== expected) return false
			expected *= this.shape[i]!
		}
		return true
	}
}

/** The numbers that one or more tensors are views of. */
class Storage {
	readonly className: string
	readonly format: NumberFormat | null
	/** Length in elements. */
	readonly length: number
	readonly #source: ByteSource
	readonly #entry: ZipEntry
	#isChecked = false

	constructor(source: ByteSource, entry: ZipEntry, className: string, length: number) {
		const { format, bytes } = STORAGES[className]!
		if (length * bytes !== entry.size) {
			throw new CheckpointError(
				`storage ${entry.name.slice(0, 80)}: expected ${length * bytes} bytes ` +
					`by its size, got ${entry.size}`,
			)
		}
		this.className = className
		this.format = format
		this.length = length
		this.#source = source
		this.#entry = entry
	}

	/** Reads `count` numbers from `offset` on; the archive's checksum is checked on the way. */
	read(kernels: Kernels, offset: number, count: number, format: NumberFormat) {
		const start = storedOffset(this.#source, this.#entry)
		const position = start + offset * NUMBER_BYTES[format]
		if (offset > 0 || count < this.length) {
			this.#check(start)
			return numberReader(kernels, this.#source, format, position)
		}
		let crc = 0
		const reader = numberReader(kernels, this.#source, format, position, (bytes) => {
			crc = Bun.hash.crc32(bytes, crc)
		})
		return { read: reader.read, expectEnd: () => checkSum(this.#entry, crc) }
	}

	/** Several tensors share the storage: it is summed once, before the first one is read. */
	#check(start: number): void {
		if (this.#isChecked) return
		const block = new Uint8Array(Math.min(this.#entry.size, CHECKED_BYTES))
		let crc = 0
		for (let at = 0; at < this.#entry.size; at += block.length) {
			const piece = block.subarray(0, Math.min(block.length, this.#entry.size - at))
			this.#source.read(piece, start + at)
			crc = Bun.hash.crc32(piece, crc)
		}
		checkSum(this.#entry, crc)
		this.#isChecked = true
	}
}

/** Reads the value that was saved; tensors in it are `TorchTensor`. Throws CheckpointError. */
export function openTorch(source: ByteSource): PickleValue {
	const start = new Uint8Array(4)
	if (source.size < start.length) {
		throw new CheckpointError(`expected a file of torch.save, got ${source.size} bytes`)
	}
	source.read(start, 0)
	if (LEGACY_START.every((byte, i) => start[i] === byte)) {
		throw new CheckpointError(
			'expected the zip format of torch.save, got the one before PyTorch 1.6: save it again',
		)
	}
	if (!isZip(start)) {
		throw new CheckpointError('expected a zip archive as torch.save writes, got other bytes')
	}
	const entries = openZip(source)
	const prefix = archivePrefix(entries)
	const entryOf = (name: string) => {
		const entry = entries.get(`${prefix}${name}`)
		if (entry === undefined) throw new CheckpointError(`zip: expected an entry ${name}, got none`)
		return entry
	}
	if (entries.has(`${prefix}byteorder`)) {
		const bytes = readEntryBytes(source, entryOf('byteorder'), BYTE_ORDER_BYTES_MAX)
		const order = Buffer.from(bytes).toString('latin1')
		if (order !== 'little') {
			throw new CheckpointError(`byteorder: expected little, got ${JSON.stringify(order)}`)
		}
	}
	const storages = new Map<string, Storage>()
	return readPickle(readEntryBytes(source, entryOf('data.pkl'), PICKLE_BYTES_MAX), {
		calls: CALLS,
		persistent(id) {
			const { className, key, length } = parseStorageId(id)
			const known = storages.get(key)
			if (known !== undefined) return known
			const storage = new Storage(source, entryOf(`data/${key}`), className, length)
			storages.set(key, storage)
			return storage
		},
	})
}

/**
 * The tensors of a state dict, flat: names are strings, values tensors. Throws CheckpointError for
 * anything else in it.
 */
export function stateDictTensors(value: PickleValue, what: string): Map<string, StoredTensor> {
	if (!(value instanceof Map)) throw new CheckpointError(`${what}: expected a dict of tensors`)
	if (value.size > TENSOR_COUNT_MAX) {
		throw new CheckpointError(`${what}: expected at most ${TENSOR_COUNT_MAX} tensors, got more`)
	}
	const tensors = new Map<string, StoredTensor>()
	for (const [name, tensor] of value) {
		if (typeof name !== 'string' || name.length > TENSOR_NAME_LENGTH_MAX) {
			throw new CheckpointError(`${what}: expected names of tensors, got another key`)
		}
		if (!(tensor instanceof TorchTensor)) {
			throw new CheckpointError(`${what}.${name}: expected a tensor, got another value`)
		}
		tensors.set(name, tensor.named(name))
	}
	return tensors
}

/** The directory that all entries lie in. */
function archivePrefix(entries: ReadonlyMap<string, ZipEntry>): string {
	const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name))
	if (pickles.length !== 1) {
		throw new CheckpointError(`zip: expected one data.pkl in a directory, got ${pickles.length}`)
	}
	const prefix = pickles[0]!.slice(0, -'data.pkl'.length)
	const stray = [...entries.keys()].find((name) => !name.startsWith(prefix) || name.includes('..'))
	if (stray !== undefined) {
		throw new CheckpointError(
			`zip: expected all entries in ${JSON.stringify(prefix)}, got ${quoted(stray)}`,
		)
	}
	return prefix
}

/** ('storage', class, key, location, length) */
function parseStorageId(id: PickleValue) {
	const [kind, type, key, , length] = Array.isArray(id) ? id : []
	const isKnown = type instanceof PickleGlobal && Object.hasOwn(STORAGES, type.name)
	if (kind !== 'storage' || !isKnown || typeof key !== 'string' || !isCount(length)) {
		throw new CheckpointError('pickle: expected a storage with its class, key and length')
	}
	return { className: type.name, key, length }
}

const CALLS: PickleOptions['calls'] = new Map<
	string,
	(args: readonly PickleValue[]) => PickleValue
>([
	['collections OrderedDict', () => new Map()],
	['torch._utils _rebuild_tensor_v2', rebuildTensor],
	['torch._utils _rebuild_parameter', ([data]) => data ?? null],
	['torch Size', ([sizes]) => sizes ?? null],
	...Object.keys(STORAGES).map((name) => [name, () => null] as const),
	...IRRELEVANT_NAMES.map((name) => [name, () => null] as const),
])

/** (storage, offset, shape, strides, …); everything within the storage. */
function rebuildTensor([storage, offset, shape, strides]: readonly PickleValue[]): TorchTensor {
	if (!(storage instanceof Storage)) {
		throw new CheckpointError('pickle: expected a tensor with its storage')
	}
	if (!isCount(offset) || !isCounts(shape) || !isCounts(strides)) {
		throw new CheckpointError(
			'tensor: expected offset, size and stride to be counts, got a negative or other value',
		)
	}
	if (shape.length !== strides.length) {
		throw new CheckpointError('tensor: expected a stride for each size')
	}
	const isEmpty = shape.includes(0)
	const last = shape.reduce((sum, size, i) => sum + (size - 1) * strides[i]!, offset)
	if (!isEmpty && !(last < storage.length)) {
		throw new CheckpointError(
			`tensor: expected size [${shape.join(', ')}] at offset ${offset} ` +
				`within a storage of ${storage.length} elements`,
		)
	}
	return new TorchTensor(storage, { offset, shape, strides })
}

function isCount(value: PickleValue | undefined): value is number {
	return Number.isSafeInteger(value) && (value as number) >= 0
}

function isCounts(value: PickleValue | undefined): value is number[] {
	return Array.isArray(value) && value.length <= 8 && value.every(isCount)
}
