// Files of llama2.c: every version, tied or not, with their tokenizer; and files made to do harm.
import { describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CheckpointError } from '../../src/checkpoint/formats/checkpoint-error.ts'
import { openDirectory } from '../../src/checkpoint/formats/open.ts'
import { readTensors, verifyStructure } from '../../src/checkpoint/verify.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { families, familyDirectories, familyDirectory } from '../helpers/families.ts'
import { kernels } from './read-checkpoint.ts'

interface Encoded {
	readonly text: string
	readonly ids: readonly number[]
	readonly with_special?: boolean
}

describe.each(familyDirectories('llama2c'))('%s', (name) => {
	const answers: { readonly tokenizer: { encode: Encoded[]; decode: Encoded[] } } = JSON.parse(
		readFileSync(join(families, name, 'expected.json'), 'utf8'),
	)
	using directory = familyDirectory(name)
	const tokenizer = createTokenizer(openDirectory(directory).parseTokenizer())

	test('encodes and decodes as SentencePiece', () => {
		for (const { text, ids, with_special: isPrompt } of answers.tokenizer.encode) {
			const found = tokenizer.encode(text)
			expect(isPrompt ? [...tokenizer.promptPrefix, ...found] : found).toEqual([...ids])
		}
		for (const { text, ids } of answers.tokenizer.decode) expect(tokenizer.decode(ids)).toBe(text)
	})

	test('has bos before a text, and ends with eos', () => {
		expect(tokenizer.promptPrefix).toEqual([1])
		expect(tokenizer.endTokenIds).toEqual([2])
	})
})

/** The message with which a hostile directory is refused, read to its last number. */
function refusal(dir: string): string {
	using directory = familyDirectory(join('hostile', dir))
	try {
		const checkpoint = verifyStructure(openDirectory(directory))
		readTensors(kernels, checkpoint, () => {})
	} catch (error) {
		if (error instanceof CheckpointError) return error.message
		throw error
	}
	throw new Error(`${dir} was accepted`)
}

test.each([
	['l2c-negative-dim', 'dim: expected a size'],
	['l2c-huge', 'size'],
	['l2c-zero-heads', 'n_heads: expected a size'],
	['l2c-kv-nodiv', 'n_kv_heads: expected a divisor of n_heads'],
	['l2c-short', 'expected a file size of'],
	['l2c-long', 'expected a file size of'],
	['l2c-no-tokenizer', 'expected tokenizer.bin'],
	['l2c-tok-short', 'tokenizer.bin'],
	['l2c-tok-len', 'tokenizer.bin'],
	['l2c-v3', 'version: expected 0, 1 or 2 of llama2.c, got 3'],
])('%s is refused in a sentence that names it: %s', (dir, words) => {
	expect(refusal(dir)).toContain(words)
})

test('the control of the hostile files loads', () => {
	using directory = familyDirectory('hostile/l2c-control-valid')
	expect(verifyStructure(openDirectory(directory)).config.family).toBe('llama')
})
