// GGUF files: numbers of every type, tokenizers in their key-values, and files made to do harm.
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { CheckpointError } from '../../src/checkpoint/formats/checkpoint-error.ts'
import { GGML_TYPES, ggmlReader } from '../../src/checkpoint/formats/ggml-types.ts'
import { openGguf } from '../../src/checkpoint/formats/gguf.ts'
import { readTensors, verifyStructure } from '../../src/checkpoint/verify.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { families, familyDirectories } from '../helpers/families.ts'
import { kernels } from './read-checkpoint.ts'

const blocks: Record<string, { type: number; blocks: string; numbers: string }> = JSON.parse(
	readFileSync(join(import.meta.dir, '../fixtures/ggml-blocks.json'), 'utf8'),
)

test.each(Object.keys(blocks))(
	'blocks of %s have the numbers of the gguf package, bit for bit',
	(name) => {
		const { type: number, blocks: stored, numbers: told } = blocks[name]!
		const type = GGML_TYPES.get(number)!
		expect(type.name).toBe(name)
		const expected = new Float32Array(new Uint8Array(Buffer.from(told, 'base64')).buffer)
		const numbers = new Float32Array(expected.length)
		ggmlReader(kernels, memorySource(Buffer.from(stored, 'base64')), type, 0).read(numbers)
		expect([...numbers]).toEqual([...expected])
	},
)

function openFamily(name: string) {
	return openGguf(memorySource(readFileSync(join(families, name, `${name}.gguf`))))
}

interface Answers {
	readonly tokenizer: { readonly encode: readonly Encoded[] }
	readonly llama_cpp: {
		readonly tokenize: readonly (Encoded & { parse_special: boolean; hf_ids: number[] })[]
	}
}
interface Encoded {
	readonly text: string
	readonly with_special: boolean
	readonly ids: readonly number[]
}

describe.each(familyDirectories().filter((name) => name.startsWith('gguf-')))('%s', (name) => {
	const answers: Answers = JSON.parse(readFileSync(join(families, name, 'expected.json'), 'utf8'))

	test('encodes as the tokenizer that it was made from, else as llama.cpp', () => {
		const tokenizer = createTokenizer(openFamily(name).parseTokenizer())
		const told = answers.tokenizer.encode.filter((each) => each.with_special)
		expect(told.length).toBeGreaterThan(10)
		for (const { text, ids } of told) {
			const found = [...tokenizer.promptPrefix, ...tokenizer.encode(text)]
			const same = answers.llama_cpp.tokenize.find((each) => each.text === text)
			expect([ids, same?.ids]).toContainEqual(found)
		}
	})
})

const hostile = JSON.parse(readFileSync(join(families, 'hostile/index.json'), 'utf8')) as {
	readonly cases: readonly { readonly dir: string; readonly must: string; readonly kind: string }[]
}
const cases = hostile.cases.filter(({ kind }) => kind === 'gguf')

function hostileBytes(dir: string): Uint8Array {
	return readFileSync(join(families, 'hostile', dir, `${dir}.gguf`))
}

/** The message with which the file is refused, read to its last number. */
function refusal(dir: string): string {
	try {
		const checkpoint = verifyStructure(openGguf(memorySource(hostileBytes(dir))))
		readTensors(kernels, checkpoint, () => {})
	} catch (error) {
		if (error instanceof CheckpointError) return error.message
		throw error
	}
	throw new Error(`${dir} was accepted`)
}

test.each(cases.filter(({ must }) => must === 'load').map(({ dir }) => dir))('%s loads', (dir) => {
	expect(openGguf(memorySource(hostileBytes(dir))).parseConfig().family).toBe('gpt2')
})

test.each([
	['gguf-v1', 'version 1'],
	['gguf-v99', 'version 99'],
	['gguf-magic', 'GGML'],
	['gguf-big-endian', 'big-endian'],
	['gguf-ntensors', 'tensor count: expected at most'],
	['gguf-nkv', 'kv count: expected at most'],
	['gguf-strlen', 'string length'],
	['gguf-strlen-val', 'string length'],
	['gguf-arrlen', 'array length'],
	['gguf-nested-array', 'an array of arrays'],
	['gguf-kvtype', 'type 77'],
	['gguf-align0', 'general.alignment'],
	['gguf-align3', 'general.alignment'],
	['gguf-dupkey', 'duplicate'],
	['gguf-offset', 'offset'],
	['gguf-misaligned', 'a multiple of the alignment 32'],
	['gguf-dims-overflow', 'dims'],
	['gguf-dims-0', 'dims'],
	['gguf-ndims', 'got 9'],
	['gguf-type', 'tensor type'],
	['gguf-duptensor', 'duplicate tensor'],
	['gguf-q-row', 'block size 32 of Q8_0'],
	['gguf-noarch', 'general.architecture'],
	['gguf-arch-unknown', 'got "hyena"'],
	['gguf-heads', 'attention.head_count'],
	['gguf-tok-mismatch', 'tokenizer.ggml.tokens: expected 257 tokens'],
	['gguf-notok', 'tokenizer.ggml.model'],
	['gguf-tok-unknown', 'tokenizer.ggml.model'],
	['gguf-pre-unknown', 'tokenizer.ggml.pre'],
	['gguf-truncated', 'truncated'],
	['gguf-truncated-header', 'the end of the file'],
	['gguf-split', 'split.count'],
	['gguf-lora', 'general.type'],
])('%s is refused in a sentence that names it: %s', (dir, words) => {
	expect(refusal(dir)).toContain(words)
})

test('each hostile file has its case here', () => {
	const refused = cases.filter(({ must }) => must !== 'load')
	expect(refused).toHaveLength(33)
})
