import { describe, expect, test } from 'bun:test'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { parseHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.ts'
import { sentencePieceSpec } from '../../src/tokenizer/sentencepiece.ts'
import { parseSentencePieceModel } from '../../src/tokenizer/sentencepiece-model.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { sent } from '../helpers/sent.ts'

const fixtures = join(import.meta.dir, '../fixtures/tokenizers')
const names = readdirSync(fixtures).filter((name) => /\.(json|model)$/.test(name))
const expected: Record<string, { encode: [string, number[]][]; decode: [number[], string][] }> =
	JSON.parse(readFileSync(join(fixtures, 'answers.json'), 'utf8'))

const noFiles = {
	tokenizer: undefined,
	vocab: undefined,
	merges: undefined,
	model: undefined,
	chatTemplate: undefined,
	specialTokens: undefined,
	config: undefined,
	endTokenIds: [],
}

/** A tokenizer.json, or a tokenizer.model as SentencePiece itself reads it. */
function load(name: string): Tokenizer {
	const bytes = readFileSync(join(fixtures, name))
	if (name.endsWith('.json')) {
		return createTokenizer(
			parseHuggingFaceTokenizer({ ...noFiles, tokenizer: JSON.parse(bytes.toString('utf8')) }),
		)
	}
	const model = parseSentencePieceModel(bytes)
	return createTokenizer(
		sentencePieceSpec(name, {
			...model,
			prefix: model.addsPrefix ? 'first' : 'none',
			readsReserved: false,
			byteRuns: 'characters',
			promptPrefix: [],
			endTokenIds: [],
		}),
	)
}

describe.each(names.filter((name) => name !== 'answers.json'))('the tokenizer %s', (name) => {
	const tokenizer = load(name)
	const answers = expected[name]!

	test('arrives in another thread as it was sent', () => {
		expect(sent(tokenizer.spec)).toEqual(tokenizer.spec)
	})

	test('encodes as the library that made it', () => {
		for (const [text, ids] of answers.encode) {
			expect({ text, ids: tokenizer.encode(text) }).toEqual({ text, ids })
		}
	})

	test('decodes as the library that made it, token by token', () => {
		for (const [ids, text] of answers.decode) {
			const decoder = tokenizer.createDecoder()
			const pieces = ids.map((id) => decoder.push(id))
			expect({ ids, text: pieces.join('') + decoder.flush() }).toEqual({ ids, text })
			expect(pieces.every((piece) => piece.isWellFormed())).toBeTrue()
			expect(tokenizer.decode(ids)).toBe(text)
		}
	})

	test.each(['a', ' ', '▁', 'ab ', '€', '\n', '<s'])(
		'takes linear time for 100,000 × %j',
		(text) => {
			expect(tokenizer.encode(text.repeat(100_000)).length).toBeGreaterThan(-1)
		},
		5000,
	)
})

describe('a tokenizer of SentencePiece in a model directory', () => {
	const model = readFileSync(join(fixtures, 'bpe-llama.model'))
	const parse = (config: unknown) => parseHuggingFaceTokenizer({ ...noFiles, model, config })

	test('puts the beginning token before a prompt unless add_bos_token is false', () => {
		expect(parse(undefined).promptPrefix).toEqual([1])
		expect(parse({ add_bos_token: false }).promptPrefix).toEqual([])
	})

	test('ends texts with the end token that it names, where no other file names one', () => {
		expect(parse(undefined).endTokenIds).toEqual([2])
	})

	test('puts a blank before each stretch between reserved tokens unless legacy is false', () => {
		const blank = createTokenizer(parse({})).encode('x</s>x')
		const none = createTokenizer(parse({ legacy: false })).encode('x</s>x')
		expect(none.length).toBeLessThan(blank.length)
	})

	test('takes added tokens behind its pieces from tokenizer_config.json', () => {
		const spec = parse({
			added_tokens_decoder: { '600': { content: '<|im_end|>', special: true } },
		})
		expect(createTokenizer(spec).encode('<|im_end|>')).toEqual([600])
	})
})

describe('contents of messages', () => {
	test.each(['bpe-llama.model', 'meta-first.json', 'gemma.json', 'uni.json', 'word.json'])(
		'cannot forge a reserved token of %s',
		(name) => {
			const tokenizer = load(name)
			const reserved = tokenizer.spec.specialTokens.filter((text) => /^<\/?s>$/.test(text))
			expect(reserved.length).toBeGreaterThan(0)
			for (const text of reserved) {
				const id = tokenizer.spec.vocab.indexOf(text)
				for (const content of [text, `a ${text} b`, `${text}${text}`]) {
					expect(tokenizer.encodePlain(content)).not.toContain(id)
				}
			}
		},
	)
})

describe('a first blank', () => {
	const tokenizer = load('meta-first.json')
	const ids = tokenizer.encode('the model')

	test('is dropped where a text starts', () => {
		expect(tokenizer.decode(ids)).toBe('the model')
	})

	test('is kept where a text continues another', () => {
		const decoder = tokenizer.createDecoder('before')
		expect(ids.map((id) => decoder.push(id)).join('') + decoder.flush()).toBe(' the model')
	})
})

describe('bytes in a row', () => {
	const ids = (tokenizer: Tokenizer, bytes: number[]) =>
		bytes.map((byte) => tokenizer.spec.vocab.indexOf(`<0x${byte.toString(16).toUpperCase()}>`))

	const json = readFileSync(
		join(import.meta.dir, '../fixtures/families/llama-spm/tokenizer.json'),
		'utf8',
	)
	const llama = createTokenizer(
		parseHuggingFaceTokenizer({ ...noFiles, tokenizer: JSON.parse(json) }),
	)

	test("are one text in Hugging Face's decoder: whole, or U+FFFD for each", () => {
		expect(llama.decode(ids(llama, [0xe2, 0x82, 0xac]))).toBe('€')
		expect(llama.decode(ids(llama, [0x41, 0xe2, 0x82]))).toBe('\ufffd\ufffd\ufffd')
	})

	test("are characters in SentencePiece's decoder, and U+FFFD for what begins none", () => {
		const tokenizer = load('bpe-llama.model')
		expect(tokenizer.decode(ids(tokenizer, [0x41, 0xe2, 0x82, 0x41]))).toBe('A\ufffd\ufffdA')
	})

	test('have no text alone but their bytes', () => {
		const [id] = ids(llama, [0xe2])
		expect(llama.tokenText(id!)).toBe('')
		expect([...llama.tokenBytes(id!)]).toEqual([0xe2])
	})
})

describe('a damaged tokenizer.model is refused by what is wrong:', () => {
	const model = readFileSync(join(fixtures, 'bpe-llama.model'))

	test.each([
		['cut', model.subarray(0, model.length - 3), 'more bytes'],
		['empty', new Uint8Array(0), 'pieces'],
		['a length beyond the file', Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f), 'more bytes'],
		['an endless number', new Uint8Array(11).fill(0xff), 'varint'],
		['a group', Uint8Array.of(0x0b), 'wire type'],
		['text that is no UTF-8', Uint8Array.of(0x0a, 0x03, 0x0a, 0x01, 0xff), 'UTF-8'],
	])('%s', (_, bytes, reason) => {
		const parse = () => parseHuggingFaceTokenizer({ ...noFiles, model: bytes })
		expect(parse).toThrow(reason)
	})
})
