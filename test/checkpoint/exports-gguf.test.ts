/** Models as GGUF files. `test/families/gguf.ts` shows that llama.cpp computes the same from them. */
import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportCheckpoint } from '../../src/checkpoint/exports/export.ts'
import type { GgufExport } from '../../src/checkpoint/exports/gguf.ts'
import { ADDED_END } from '../../src/checkpoint/exports/gguf-tokenizer.ts'
import { toQ8 } from '../../src/checkpoint/exports/number-bytes.ts'
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { GGML_TYPES, ggmlReader } from '../../src/checkpoint/formats/ggml-types.ts'
import { openGguf } from '../../src/checkpoint/formats/gguf.ts'
import { readGgufHeader } from '../../src/checkpoint/formats/gguf-header.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import goldens from '../fixtures/exports-gguf.json' with { type: 'json' }
import { loadNetwork, packNetwork } from '../helpers/families.ts'
import { forwardPass } from '../helpers/forward-pass.ts'
import { openFixture } from '../helpers/open-fixture.ts'
import { uniform } from '../helpers/random-model.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { kernels } from './read-checkpoint.ts'

function exported(name: string, changes: Partial<GgufExport> = {}) {
	using parent = tempDir()
	const directory = join(parent.path, 'out')
	using fixture = openFixture(name)
	const report = exportCheckpoint(kernels, fixture.file, {
		format: 'gguf',
		directory,
		name: 'model',
		dtype: 'f32',
		isApproximate: false,
		...changes,
	})
	const bytes = readFileSync(join(directory, 'model.gguf'))
	return { report, bytes, header: readGgufHeader(memorySource(bytes)) }
}

test.each(Object.entries(goldens))('%s is what llama.cpp was seen to read', (name, digest) => {
	const { bytes } = exported(name)
	expect(createHash('sha256').update(bytes).digest('hex')).toBe(digest)
})

describe.each([
	'gpt2',
	'gpt2-bf16',
	'llama-spm',
	'llama-rope3-chat',
	'llama-bias-headdim',
	'qwen2',
	'qwen3',
])('%s, exported and read again', (name) => {
	const file = openGguf(memorySource(exported(`families/${name}`).bytes))

	test('computes the same numbers', () => {
		const ids = [5, 17, 300, 42, 7]
		const own = forwardPass(kernels, loadNetwork(kernels, name, 'f32'))(ids).logits.row(0)
		const again = forwardPass(kernels, packNetwork(kernels, file, 'f32'))(ids).logits.row(0)
		expect(again).toEqual(own)
	})

	test('encodes alike, and ends with the same tokens', () => {
		using fixture = openFixture(`families/${name}`)
		const own = createTokenizer(fixture.file.parseTokenizer())
		const again = createTokenizer(file.parseTokenizer())
		for (const text of ['The light, 1704.', ' two  blanks\n\n', 'naïve — “café”']) {
			expect(again.encode(text)).toEqual(own.encode(text))
		}
		expect(again.promptPrefix).toEqual(own.promptPrefix)
		expect(again.endTokenIds).toEqual(own.endTokenIds)
	})
})

test('a vocabulary without an end gets one that no text can reach', () => {
	const { header, bytes } = exported('v1-char')
	expect((header.values.get('tokenizer.ggml.tokens') as string[]).at(-1)).toBe(ADDED_END)
	const network = packNetwork(kernels, openGguf(memorySource(bytes)), 'f32')
	const predict = forwardPass(kernels, network)
	for (const ids of [[1], [2, 3, 4, 5], [9, 9, 9]]) {
		expect(predict(ids).logits.row(0).at(-1)).toBeCloseTo(-1000, 0)
	}
})

test('without biases none is out of reach, which has to be accepted', () => {
	expect(() => exported('families/nanogpt-char')).toThrow('add --approximate')
	const { report } = exported('families/nanogpt-char', { isApproximate: true })
	expect(report.differences.join()).toContain('which may be drawn')
})

test.each([
	['v1-word', 'no tokenizer of words'],
	['v2-swiglu', 'no activation "swiglu"'],
	['families/gpt2-odd', 'no activation "relu"'],
	['families/mistral-swa', 'no sliding_window'],
	['families/gptneo', 'no architecture for the family neo'],
	['families/nanochat-flat', 'no architecture for the family nanochat'],
])('%s is refused: llama.cpp has %s', (name, words) => {
	expect(() => exported(name)).toThrow(words)
})

test('a refusal leaves nothing behind', () => {
	using parent = tempDir()
	using fixture = openFixture('families/gptneo')
	const request = { format: 'gguf', name: 'model', dtype: 'f32', isApproximate: false } as const
	const directory = join(parent.path, 'out')
	expect(() => exportCheckpoint(kernels, fixture.file, { ...request, directory })).toThrow()
	expect(readdirSync(parent.path)).toEqual([])
})

test('matrices may be bf16 or blocks of bytes; norms stay f32', () => {
	const typesOf = (changes: Partial<GgufExport>) => {
		const { tensors } = exported('families/llama-spm', changes).header
		return ['blk.0.attn_q.weight', 'blk.0.attn_norm.weight'].map(
			(name) => tensors.get(name)?.type.name,
		)
	}
	expect(typesOf({ dtype: 'bf16' })).toEqual(['BF16', 'F32'])
	expect(typesOf({ dtype: 'int8' })).toEqual(['Q8_0', 'F32'])
})

test('blocks of bytes are at most half a step of their scale away', () => {
	const next = uniform(3)
	const numbers = Float32Array.from({ length: 64 }, () => next() - 0.5)
	const read = new Float32Array(64)
	ggmlReader(kernels, memorySource(toQ8(numbers)), GGML_TYPES.get(8)!, 0).read(read)
	for (const [i, number] of read.entries()) {
		expect(Math.abs(number - numbers[i]!)).toBeLessThan((0.5 / 127) * 0.51)
	}
})
