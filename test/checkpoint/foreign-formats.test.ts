import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { numberReader } from '../../src/checkpoint/formats/number-format.ts'
import { type PickleValue, readPickle } from '../../src/checkpoint/formats/pickle.ts'
import { openTorch } from '../../src/checkpoint/formats/torch.ts'
import { kernels } from './read-checkpoint.ts'
import { foreignTensors, readForeignFile, readTensor } from './read-foreign.ts'

const families = join(import.meta.dir, '../fixtures/families')

function tensorsOf(path: string) {
	return foreignTensors(path, readFileSync(join(families, path)))
}

function refusal(path: string): string {
	try {
		const tensors = tensorsOf(`hostile/${path}`)
		for (const tensor of tensors.values()) readTensor(tensor)
	} catch (error) {
		expect((error as Error).name).toBe('CheckpointError')
		return (error as Error).message
	}
	throw new Error(`${path} was read`)
}

/** A pickle of protocol 2 with this body. */
function pickle(...body: readonly (number | string)[]): PickleValue {
	const bytes = body.flatMap((part) => (typeof part === 'string' ? [...Buffer.from(part)] : [part]))
	return readPickle(Uint8Array.from([0x80, 2, ...bytes, 0x2e]), { calls: new Map() })
}

describe('numbers', () => {
	function widened(format: 'f16' | 'bf16', bits: readonly number[]): number[] {
		const stored = new Uint8Array(Uint16Array.from(bits).buffer)
		const out = new Float32Array(bits.length)
		numberReader(kernels, memorySource(stored), format, 0).read(out)
		return [...out]
	}

	test('of half precision become the same numbers in f32, subnormal ones too', () => {
		const bits = [0x3c00, 0xc000, 0x7bff, 0x0400, 0x03ff, 0x8001, 0x8000, 0x7c00, 0xfc00, 0x7e00]
		const least = 2 ** -24
		const expected = [1, -2, 65504, 2 ** -14, 1023 * least, -least, -0, Infinity, -Infinity, NaN]
		expect(widened('f16', bits)).toEqual(expected)
	})

	test('of bf16 are the upper halves of f32', () => {
		expect(widened('bf16', [0x3f80, 0xc000, 0x4049, 0x7f80])).toEqual([1, -2, 3.140625, Infinity])
	})

	test('are widened in portions that make no difference', () => {
		const bits = Array.from({ length: 100_003 }, (_, i) => i % 0x7c00)
		const values = widened('f16', bits)
		expect(values[70_000]).toBe(widened('f16', [bits[70_000]!])[0]!)
		expect(values.at(-1)).toBe(widened('f16', [bits.at(-1)!])[0]!)
	})
})

describe('a safetensors file', () => {
	test('gives its tensors with name, shape and dtype', () => {
		const tensors = tensorsOf('gpt2/model.safetensors')
		const { shape, dtype } = tensors.get('transformer.wte.weight')!
		expect({ shape, dtype }).toEqual({ shape: [expect.any(Number), 48], dtype: 'F32' })
		expect(readTensor(tensors.get('transformer.wte.weight')!).every(Number.isFinite)).toBeTrue()
	})

	test.each([
		['gpt2-bf16', 'BF16'],
		['gpt2-fp16', 'F16'],
	])('of %s is read as %s', (directory, dtype) => {
		const tensors = tensorsOf(`${directory}/model.safetensors`)
		const weights = tensors.get('transformer.ln_f.weight')!
		expect(weights.dtype).toBe(dtype)
		// A trained norm stays near one.
		expect(readTensor(weights).every((weight) => weight > 0.5 && weight < 2)).toBeTrue()
	})

	test.each([
		['st-empty', '0 bytes'],
		['st-7bytes', '7 bytes'],
		['st-hlen-2e60', 'header length'],
		['st-hlen-over-file', 'header length'],
		['st-hlen-100mb', 'header length'],
		['st-notjson', 'expected a value at byte 8'],
		['st-header-array', 'header: expected an object'],
		['st-deep-json', 'at most 4096 bytes'],
		['st-overlap', 'transformer.wpe.weight: expected data_offsets'],
		['st-beyond', 'data_offsets'],
		['st-dup', 'expected once'],
		['st-dtype', 'expected a dtype'],
		['st-int-weight', 'got I32'],
		['st-shape', 'by its shape'],
		['st-overflow', 'by its shape'],
		['st-negative', 'data_offsets'],
		['st-offset-string', 'data_offsets'],
		['st-shape-fraction', 'expected a shape'],
		['st-truncated', 'the end of the file'],
		['st-trailing', '12 more bytes'],
	])('%s is refused: %s', (directory, reason) => {
		expect(refusal(`${directory}/model.safetensors`)).toContain(reason)
	})
})

describe('a file of torch.save', () => {
	test('gives plain data and tensors', () => {
		const bytes = readFileSync(join(families, 'nanogpt-char/ckpt.pt'))
		const saved = openTorch(memorySource(bytes)) as Map<string, PickleValue>
		const args = saved.get('model_args') as Map<string, PickleValue>
		expect(args.get('block_size')).toBeNumber()
		expect(saved.get('iter_num')).toBeNumber()
		const wte = tensorsOf('nanogpt-char/ckpt.pt').get('transformer.wte.weight')!
		expect(wte.shape).toEqual([args.get('vocab_size'), args.get('n_embd')])
	})

	test('shares the numbers of tied weights', () => {
		const tensors = tensorsOf('nanogpt-char/ckpt.pt')
		const [wte, head] = ['transformer.wte.weight', 'lm_head.weight'].map((name) =>
			readTensor(tensors.get(name)!),
		)
		expect(head).toEqual(wte!)
	})

	test('is summed: one flipped bit of a weight is noticed', () => {
		const bytes = Buffer.from(readFileSync(join(families, 'nanogpt-char/ckpt.pt')))
		bytes[bytes.indexOf('ckpt/data/3') + 400]! ^= 1
		expect(() => {
			for (const tensor of foreignTensors('ckpt.pt', bytes).values()) readTensor(tensor)
		}).toThrow('CRC')
	})

	test.each([
		['pt-os-system/ckpt.pt', 'posix system'],
		['bin-eval/pytorch_model.bin', 'eval'],
		['pt-legacy-format/ckpt.pt', 'before PyTorch 1.6'],
		['pt-truncated/ckpt.pt', 'is the file cut off?'],
		['pt-garbage/ckpt.pt', 'zip archive'],
		['pt-empty/ckpt.pt', '0 bytes'],
		['pt-size-lies/ckpt.pt', 'within a storage of 16 elements'],
		['pt-offset-lies/ckpt.pt', 'at offset 1048576'],
		['pt-negative-stride/ckpt.pt', 'stride'],
		['pt-numel-lies/ckpt.pt', 'pickle'],
		['pt-deep-pickle/ckpt.pt', 'values at once'],
		['pt-binunicode8/ckpt.pt', 'pickle'],
		['pt-memo-huge/ckpt.pt', 'memo'],
		['pt-billion-laughs/ckpt.pt', 'expected a dict of tensors'],
		['pt-big-endian/ckpt.pt', 'expected little, got "big"'],
		['pt-traversal/ckpt.pt', 'expected all entries in "archive/"'],
		['pt-zip-bomb/ckpt.pt', 'at most 16777216 bytes'],
	])('%s is refused: %s', (path, reason) => {
		expect(refusal(path)).toContain(reason)
	})
})

describe('a pickle', () => {
	test('of plain data is read', () => {
		// {'a': [1, -2, 2.5, None, True, b'x'], 'b': (1, (2,))}
		const value = pickle(
			...['}(X', 1, 0, 0, 0, 'a](K', 1, 'J', 0xfe, 0xff, 0xff, 0xff],
			...['G', 0x40, 4, 0, 0, 0, 0, 0, 0, 'N', 0x88, 'C', 1, 'xe'],
			...['X', 1, 0, 0, 0, 'bK', 1, 'K', 2, 0x85, 0x86, 'u'],
		)
		const expected = new Map<string, unknown>([
			['a', [1, -2, 2.5, null, true, Uint8Array.from([0x78])]],
			['b', [1, [2]]],
		])
		expect(value).toEqual(expected)
	})

	test.each([
		['no value', []],
		['a mark that is missing', ['e']],
		['items of something that is no list', ['NNa']],
		['an odd number of dict items', ['}(Nu']],
		['a call of a value', ['NN', 0x52]],
		['a persistent id', ['NQ']],
		['an instruction of older protocols', ['I1\n']],
		['an integer of nine bytes', [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
		['a text that ends early', ['X', 9, 0, 0, 0, 'a']],
		['a text that is not UTF-8', ['X', 1, 0, 0, 0, 0xff]],
	])('with %s is refused', (_, body) => {
		expect(() => pickle(...(body as (number | string)[]))).toThrow(/^pickle: expected/)
	})

	test.each(['meta-os-system', 'meta-exec-proto5'])('of %s runs nothing', (directory) => {
		const bytes = readFileSync(join(families, 'hostile', directory, 'meta.pkl'))
		expect(() => readPickle(bytes, { calls: new Map() })).toThrow(/system|exec/)
	})
})

test('no hostile file is answered by anything but tensors or a refusal, and none is executed', () => {
	const index = JSON.parse(readFileSync(join(families, 'hostile/index.json'), 'utf8'))
	let files = 0
	for (const { dir, files: names } of index.cases) {
		for (const name of Object.keys(names).filter((each) =>
			/\.(safetensors|pt|bin|pkl)$/.test(each),
		)) {
			readForeignFile(name, readFileSync(join(families, 'hostile', dir, name)))
			files++
		}
	}
	expect(files).toBeGreaterThan(80)
	const markers = new Bun.Glob(`${index.executed_marker_prefix.split('/').at(-1)}*`)
	expect(existsSync('/tmp') ? [...markers.scanSync('/tmp')] : []).toEqual([])
})
