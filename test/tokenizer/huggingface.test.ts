import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { parseHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'

const families = join(import.meta.dir, '../fixtures/families')

interface Answers {
	readonly encode: readonly {
		readonly text: string
		readonly with_special: boolean
		readonly ids: readonly number[]
	}[]
	readonly decode: readonly {
		readonly ids: readonly number[]
		readonly text_skip_special: string
	}[]
}

function readJson(path: string): unknown {
	return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : undefined
}

function loadTokenizer(directory: string): Tokenizer {
	const path = join(families, directory)
	const mergesPath = join(path, 'merges.txt')
	const spec = parseHuggingFaceTokenizer({
		tokenizer: readJson(join(path, 'tokenizer.json')),
		vocab: readJson(join(path, 'vocab.json')),
		merges: existsSync(mergesPath) ? readFileSync(mergesPath, 'utf8') : undefined,
		model: undefined,
		chatTemplate: undefined,
		specialTokens: undefined,
		config: readJson(join(path, 'tokenizer_config.json')),
		endTokenIds: [],
	})
	return createTokenizer(spec)
}

function answersOf(directory: string): Answers | undefined {
	const expected = readJson(join(families, directory, 'expected.json'))
	return (expected as { tokenizer?: Answers } | undefined)?.tokenizer
}

/** Some directories are there for their weights only. */
const directories = readdirSync(families).filter(
	(directory) =>
		['tokenizer.json', 'merges.txt'].some((name) => existsSync(join(families, directory, name))) &&
		answersOf(directory) !== undefined,
)

test('there are tokenizers to compare', () => {
	expect(directories.length).toBeGreaterThan(15)
})

describe.each(directories)('the tokenizer of %s', (directory) => {
	const tokenizer = loadTokenizer(directory)
	const answers = answersOf(directory)!

	test('encodes as the library that wrote it', () => {
		for (const { text, with_special: withPrefix, ids } of answers.encode) {
			const encoded = tokenizer.encode(text)
			expect({ text, ids: withPrefix ? [...tokenizer.promptPrefix, ...encoded] : encoded }).toEqual(
				{
					text,
					ids: [...ids],
				},
			)
		}
	})

	test('decodes as the library that wrote it, at once and token by token', () => {
		for (const { ids, text_skip_special: text } of answers.decode) {
			expect(tokenizer.decode(ids)).toBe(text)
			const decoder = tokenizer.createDecoder()
			expect(ids.map((id) => decoder.push(id)).join('') + decoder.flush()).toBe(text)
		}
	})

	test('gives whole characters only, token by token', () => {
		for (const { ids } of answers.decode) {
			const decoder = tokenizer.createDecoder()
			const pieces = ids.map((id) => decoder.push(id))
			expect(pieces.every((piece) => piece.isWellFormed())).toBeTrue()
		}
	})
})

describe('a byte-level tokenizer', () => {
	const tokenizer = loadTokenizer('gpt2')

	test('reads a reserved token in a prompt, and its characters in a message', () => {
		const end = tokenizer.specialTokenId('<|endoftext|>')!
		expect(tokenizer.encode('a<|endoftext|>b')).toContain(end)
		expect(tokenizer.encodePlain('a<|endoftext|>b')).not.toContain(end)
		expect(tokenizer.decode(tokenizer.encodePlain('a<|endoftext|>b'))).toBe('a<|endoftext|>b')
	})

	test('has no text for a part of a character, but its bytes', () => {
		const ids = tokenizer.encode('€')
		expect(ids.length).toBeGreaterThan(1)
		expect(ids.map((id) => tokenizer.tokenText(id)).join('')).toBe('')
		expect(ids.flatMap((id) => [...tokenizer.tokenBytes(id)])).toEqual([0xe2, 0x82, 0xac])
	})

	test('shows bytes that never become a character as U+FFFD', () => {
		const [first] = tokenizer.encode('€')
		expect(tokenizer.decode([first!])).toBe('\ufffd')
		expect(tokenizer.decode([first!, ...tokenizer.encode('a')])).toBe('\ufffda')
	})

	test.each([' ', 'a', '\n \n', 'ab ', '€', "'s", '1'])(
		'takes linear time for 100,000 × %j',
		(text) => {
			const long = text.repeat(100_000)
			expect(tokenizer.decode(tokenizer.encode(long))).toBe(long)
		},
		5000,
	)
})

describe('a tokenizer that is not understood is refused by what is different:', () => {
	test.each([
		['tok-unknown-model', 'model.type'],
		['tok-wordpiece', 'model.type'],
		['tok-unknown-pretok', 'pre_tokenizer'],
		['tok-unknown-normalizer', 'normalizer'],
		['tok-bad-regex', 'Regex'],
		['tok-evil-regex', 'Regex'],
		['tok-merge-unknown', 'merge'],
		['tok-dup-ids', 'id of its own'],
	])('%s', (directory, reason) => {
		expect(() => loadTokenizer(`hostile/${directory}`)).toThrow(reason)
	})
})

test('thousands of added tokens cost no more than one', () => {
	const tokenizer = loadTokenizer('hostile/tok-huge-added')
	const text = '<|added_'.repeat(20_000)
	expect(tokenizer.decode(tokenizer.encode(text)).length).toBeGreaterThan(0)
}, 5000)
