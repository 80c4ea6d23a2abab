import { describeValue, isRecord } from '../lib/json.ts'
import type { TrainerTokenizerSpec } from './tokenizer.ts'

/** Most entries of a vocabulary. */
const VOCAB_SIZE_MAX = 2 ** 20
/** Most UTF-16 units of one token; a corpus of few sentences makes whole ones into tokens. */
const TOKEN_LENGTH_MAX = 2 ** 16
/** Most reserved tokens: each place of a text is compared with all that start alike. */
const SPECIAL_TOKEN_COUNT_MAX = 256
/** Most UTF-16 units of one reserved token. */
const SPECIAL_TOKEN_LENGTH_MAX = 256
/** The trainer merges by a priority queue from this many merges on (binary form only). */
const QUEUE_MERGE_COUNT_MIN = 1000

/**
 * Verifies the `tokenizerArtifacts` of a checkpoint in either form. Work and memory are bounded by
 * its size. Throws an Error that says what was expected and what came; keys that we do not know are
 * ignored.
 */
export function parseTokenizerSpec(json: unknown, form: 'json' | 'binary'): TrainerTokenizerSpec {
	if (!isRecord(json)) throw expected('tokenizerArtifacts', 'an object', json)
	const type = ownField(json, 'type')
	if (type !== 'bpe' && type !== 'char' && type !== 'word') {
		throw expected('tokenizerArtifacts.type', '"bpe", "char" or "word"', type)
	}
	const vocab = parseVocab(ownField(json, 'vocab'), ownField(json, 'vocabSize'))
	if (type !== 'bpe') return { type, vocab, merges: [], specialTokens: [], mergeOrder: 'plain' }
	const merges = parseMerges(ownField(json, 'merges'), vocab)
	const specialTokens = parseSpecialTokens(ownField(json, 'specialTokens'), vocab)
	const isQueue = form === 'binary' && merges.length >= QUEUE_MERGE_COUNT_MIN
	return { type, vocab, merges, specialTokens, mergeOrder: isQueue ? 'queue' : 'plain' }
}

function parseVocab(value: unknown, vocabSize: unknown): string[] {
	const entries = expectArray('tokenizerArtifacts.vocab', value, VOCAB_SIZE_MAX)
	if (entries.length === 0) throw expected('tokenizerArtifacts.vocab', 'at least 1 entry', entries)
	if (vocabSize !== undefined && vocabSize !== entries.length) {
		const wanted = `${entries.length}, the number of vocab entries`
		throw expected('tokenizerArtifacts.vocabSize', wanted, vocabSize)
	}
	return entries.map((entry, id) =>
		expectString(`tokenizerArtifacts.vocab[${id}]`, entry, TOKEN_LENGTH_MAX),
	)
}

/** Merge i makes id `vocab.length - merges.length + i`, from two ids below it. */
function parseMerges(value: unknown, vocab: readonly string[]): [number, number][] {
	if (value === undefined) return []
	const entries = expectArray('tokenizerArtifacts.merges', value, vocab.length)
	return entries.map((entry, index): [number, number] => {
		const path = `tokenizerArtifacts.merges[${index}]`
		const result = vocab.length - entries.length + index
		const [left, right] = expectArray(path, entry, 2)
		if (!isIdBelow(left, result) || !isIdBelow(right, result)) {
			throw expected(path, `two ids from 0 to ${result - 1}`, entry)
		}
		// Lengths first: concatenating without that would let a small file ask for huge strings.
		const [leftText, rightText, text] = [vocab[left]!, vocab[right]!, vocab[result]!]
		const agrees =
			text.length === leftText.length + rightText.length &&
			text.startsWith(leftText) &&
			text.endsWith(rightText)
		if (!agrees) {
			const wanted = `the text of ids ${left} and ${right} joined, as merges[${index}] says`
			throw expected(`tokenizerArtifacts.vocab[${result}]`, wanted, text)
		}
		return [left, right]
	})
}

/** Trimmed, without empty ones, doubles and those that the vocabulary lacks; longest first. */
function parseSpecialTokens(value: unknown, vocab: readonly string[]): string[] {
	if (value === undefined || value === null) return []
	const path = 'tokenizerArtifacts.specialTokens'
	const entries = expectArray(path, value, SPECIAL_TOKEN_COUNT_MAX)
	const texts = entries.map((entry, index) =>
		expectString(`${path}[${index}]`, entry, SPECIAL_TOKEN_LENGTH_MAX).trim(),
	)
	const known = new Set(vocab)
	const kept = [...new Set(texts)].filter((text) => text !== '' && known.has(text))
	return kept.sort((a, b) => b.length - a.length)
}

function ownField(fields: Readonly<Record<string, unknown>>, name: string): unknown {
	return Object.hasOwn(fields, name) ? fields[name] : undefined
}

function expectArray(path: string, value: unknown, lengthMax: number): readonly unknown[] {
	if (!Array.isArray(value)) throw expected(path, 'an array', value)
	if (value.length > lengthMax) throw expected(path, `at most ${lengthMax} entries`, value)
	return value
}

function expectString(path: string, value: unknown, lengthMax: number): string {
	if (typeof value !== 'string') throw expected(path, 'a string', value)
	if (value.length > lengthMax) throw expected(path, `at most ${lengthMax} characters`, value)
	return value
}

function isIdBelow(value: unknown, limit: number): value is number {
	return Number.isInteger(value) && (value as number) >= 0 && (value as number) < limit
}

function expected(path: string, wanted: string, value: unknown): Error {
	return new Error(`${path}: expected ${wanted}, got ${describeValue(value)}`)
}
