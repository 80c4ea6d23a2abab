/** The tokenizer of nanochat: a tiktoken encoding whose special tokens structure conversations. */
import { describeValue } from '../lib/json.ts'
import { isKnownExpression } from './pre-tokenizer.ts'
import { byteBpeOfRanks } from './tiktoken.ts'
import type { ByteBpeSpec } from './tokenizer.ts'

/** Begins every document. */
export const NANOCHAT_BOS = '<|bos|>'

/** Ends a reply. */
export const NANOCHAT_END = '<|assistant_end|>'

/** Around what the model writes for its tool, and what the tool answers: part of the text. */
export const NANOCHAT_TOOL_MARKS = [
	'<|python_start|>',
	'<|python_end|>',
	'<|output_start|>',
	'<|output_end|>',
] as const

/** Most ids of a vocabulary. */
const VOCAB_SIZE_MAX = 2 ** 20
/** Longest token in bytes. */
const TOKEN_BYTES_MAX = 2 ** 10
/** Sum of the squares of all tokens' bytes, with which finding their halves grows; real ones have 2 ** 22. */
const TOKEN_SQUARES_MAX = 2 ** 26
const SPECIAL_TOKENS_MAX = 256

/**
 * Verifies the state of an encoding: maps stand for dicts, byte arrays for bytes. Throws an Error that says
 * what was expected and what came.
 */
export function parseNanochatTokenizer(state: unknown): ByteBpeSpec {
	if (!(state instanceof Map)) throw expected('tokenizer.pkl', 'the state of an encoding', state)
	const expression = state.get('pat_str')
	if (typeof expression !== 'string' || !isKnownExpression(expression)) {
		throw expected('tokenizer.pkl.pat_str', 'a regex that is known here', expression)
	}
	const ranks = parseRanks(state.get('mergeable_ranks'))
	const specialTokens = parseSpecialTokens(state.get('special_tokens'))
	const [bos, end] = [specialTokens.get(NANOCHAT_BOS), specialTokens.get(NANOCHAT_END)]
	if (bos === undefined) {
		throw expected('tokenizer.pkl.special_tokens', `a token ${NANOCHAT_BOS}`, [...specialTokens])
	}
	const spec = byteBpeOfRanks({
		ranks,
		specialTokens,
		expression,
		promptPrefix: [bos],
		endTokenIds: end === undefined ? [bos] : [end, bos],
	})
	const shown: readonly string[] = NANOCHAT_TOOL_MARKS
	return {
		...spec,
		addedTokens: spec.addedTokens.map((token) => ({
			...token,
			isShown: shown.includes(token.text),
		})),
	}
}

function parseRanks(value: unknown): Map<string, number> {
	const path = 'tokenizer.pkl.mergeable_ranks'
	if (!(value instanceof Map) || value.size > VOCAB_SIZE_MAX) {
		throw expected(path, `a dict of at most ${VOCAB_SIZE_MAX} tokens`, value)
	}
	const ranks = new Map<string, number>()
	let squares = 0
	for (const [token, rank] of value) {
		if (!(token instanceof Uint8Array) || token.length > TOKEN_BYTES_MAX || !isId(rank)) {
			throw expected(path, 'ids by the bytes of tokens', rank)
		}
		squares += token.length ** 2
		if (squares > TOKEN_SQUARES_MAX) throw expected(path, 'shorter tokens', squares)
		ranks.set(Buffer.from(token).toString('latin1'), rank)
	}
	if (new Set(ranks.values()).size !== value.size) {
		throw new Error(`${path}: expected each token and each id once, got one twice`)
	}
	return ranks
}

function parseSpecialTokens(value: unknown): Map<string, number> {
	const path = 'tokenizer.pkl.special_tokens'
	if (!(value instanceof Map) || value.size > SPECIAL_TOKENS_MAX) {
		throw expected(path, `a dict of at most ${SPECIAL_TOKENS_MAX} tokens`, value)
	}
	const tokens = new Map<string, number>()
	for (const [text, id] of value) {
		if (typeof text !== 'string' || text === '' || !isId(id)) {
			throw expected(path, 'ids by the texts of tokens', id)
		}
		tokens.set(text, id)
	}
	return tokens
}

function isId(value: unknown): value is number {
	return Number.isInteger(value) && (value as number) >= 0 && (value as number) < VOCAB_SIZE_MAX
}

function expected(path: string, wanted: string, value: unknown): Error {
	return new Error(`${path}: expected ${wanted}, got ${describeValue(value)}`)
}
