// Vocabularies that spell a character in several tokens, byte by byte.
import { describe, expect, test } from 'bun:test'
import { codePointsBehind, isWhole } from '../../../src/text/constraint/partial-bytes.ts'
import { createTokenizer } from '../../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'
import { isValid } from './validate.ts'
import { compileNow, idsOf, optionsOf, seededRandom, walk } from './walk.ts'

const END = '<|end_of_text|>'
const end = { text: END, isSpecial: true, stripsLeft: false, stripsRight: false, isWord: false }
const bytes = Array.from({ length: 256 }, (_, byte) => byte)
const hexByte = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`

/** One token per byte, two that are two bytes of three, and an end. */
const byteLevel = createTokenizer({
	type: 'byte-bpe',
	vocab: [...bytes.map((byte) => String.fromCharCode(byte)), '\xe2\x80', '\x82\xac', END],
	merges: [],
	ignoresMerges: false,
	addedTokens: [{ ...end, id: 258 }],
	specialTokens: [END],
	normalization: 'none',
	preTokenizer: [],
	promptPrefix: [],
	endTokenIds: [258],
})

const ascii = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i))
const byteStart = 1 + ascii.length

/** Pieces for ASCII, bytes for the rest, as SentencePiece has them. */
const withFallback = createTokenizer({
	type: 'pieces',
	vocab: [END, ...ascii, ...bytes.map(hexByte)],
	model: { type: 'bpe', merges: new Int32Array(0), characters: [], ignoresMerges: false },
	unknownId: null,
	fusesUnknown: false,
	byteIds: bytes.map((byte) => byteStart + byte),
	addedTokens: [{ ...end, id: 0 }],
	specialTokens: [END],
	normalizer: [],
	preTokenizer: [],
	decoder: { readsBlankMarks: false, separator: '', dropsAtStart: 'nothing', byteRuns: 'whole' },
	promptPrefix: [],
	endTokenIds: [0],
})

const kinds: [string, Tokenizer][] = [
	['byte-level tokens', byteLevel],
	['pieces with byte fallback', withFallback],
]

describe.each(kinds)('%s', (_name, tokenizer) => {
	test('write any character of a string', () => {
		const schema = { type: 'array', items: { type: 'string' }, minItems: 1 }
		const texts = Array.from({ length: 40 }, (_, seed) =>
			walk(schema, tokenizer, { randomTokens: 4 * seed, random: seededRandom(seed) }),
		)
		for (const text of texts) expect(isValid(JSON.parse(text), schema)).toBeTrue()
		const beyond = new Set([...texts.join('')].filter((character) => character > '\x7f'))
		const lengths = new Set([...beyond].map((character) => Buffer.byteLength(character)))
		expect([...lengths].sort()).toEqual([2, 3, 4])
		expect(texts.join('')).not.toContain('\ufffd')
	})

	test('spell keys and constants', () => {
		const schema = {
			type: 'object',
			properties: { größe: { enum: ['naïve', '日本', '👍'] } },
			required: ['größe'],
			additionalProperties: false,
		}
		for (let seed = 0; seed < 20; seed++) {
			const options = { randomTokens: 200, random: seededRandom(seed) }
			expect(isValid(JSON.parse(walk(schema, tokenizer, options)), schema)).toBeTrue()
		}
	})

	test('begin only characters that a pattern allows', () => {
		const schema = { type: 'string', pattern: '^[а-я€]{2,4}$' }
		for (let seed = 0; seed < 20; seed++) {
			const options = { randomTokens: 200, random: seededRandom(seed) }
			expect(JSON.parse(walk(schema, tokenizer, options))).toMatch(/^[а-я€]{2,4}$/u)
		}
	})

	test('count as characters, not as bytes', () => {
		const schema = { type: 'string', minLength: 3, maxLength: 3 }
		for (let seed = 0; seed < 20; seed++) {
			const options = { randomTokens: 200, random: seededRandom(seed) }
			expect([...(JSON.parse(walk(schema, tokenizer, options)) as string)]).toHaveLength(3)
		}
	})

	test('are told as the text that decoding all of them gives', () => {
		const schema = { type: 'string' }
		const session = compileNow({ kind: 'schema', schema }, tokenizer, optionsOf(tokenizer)).start()
		const ids = tokenizer.encode('"a€b👍é"')
		const text = ids.map((id) => session.push(id)).join('')
		expect(text).toBe('"a€b👍é"')
		expect(tokenizer.decode(ids)).toBe(text)
		expect(session.isComplete).toBeTrue()
	})
})

test('within a character nothing but its bytes may come, and no end', () => {
	const options = optionsOf(byteLevel)
	const schema = { type: 'string' }
	const session = compileNow({ kind: 'schema', schema }, byteLevel, options).start()
	session.push(0x22)
	session.push(0xe2)
	expect(session.isComplete).toBeFalse()
	const allowed = idsOf(session.state.row.mask)
	expect(allowed).toEqual([...bytes.slice(0x80, 0xc0), 257])
	expect(session.push(257)).toBe('€')
})

test('a vocabulary that lacks bytes writes whole characters only', () => {
	const some = createTokenizer({
		...(byteLevel.spec as object),
		vocab: byteLevel.spec.vocab.map((token, id) => (id === 0x9f ? '' : token)),
	} as never)
	const schema = { type: 'string' }
	const session = compileNow({ kind: 'schema', schema }, some, optionsOf(some)).start()
	session.push(0x22)
	expect(idsOf(session.state.row.mask).every((id) => id < 0x80)).toBeTrue()
})

describe('bytes of a character', () => {
	test.each([
		[[0xc3], [0xc0, 0xff]],
		[[0xe0], [0x800, 0xfff]],
		[[0xed], [0xd000, 0xd7ff]],
		[[0xf4], [0x10_0000, 0x10_ffff]],
		[
			[0xe2, 0x82],
			[0x2080, 0x20bf],
		],
		[
			[0xe2, 0x82, 0xac],
			[0x20ac, 0x20ac],
		],
	])('%j may become the characters %j', (read, range) => {
		expect(codePointsBehind(read)).toEqual(range as never)
	})

	test.each([
		[[0x80]],
		[[0xc0]],
		[[0xf5]],
		[[0xe0, 0x80]],
		[[0xed, 0xa0]],
		[[0xf4, 0x90]],
		[[0xe2, 0x41]],
		[[0xc3, 0xa9, 0xa9]],
	])('%j begin none', (read) => {
		expect(codePointsBehind(read)).toBeNull()
	})

	test('are whole when all of them are there', () => {
		expect([[0xc3], [0xc3, 0xa9], [0xe2, 0x82]].map(isWhole)).toEqual([false, true, false])
	})
})
