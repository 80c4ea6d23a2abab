/*
 * Tokenizers in the key-values of a GGUF file: `gpt2` is byte-level BPE whose split expression goes by a
 * name, `llama` is SentencePiece's BPE with scores.
 */
import type { AddedToken } from './added-tokens.ts'
import { fromByteAlphabet, utf8Bytes } from './byte-alphabet.ts'
import { parseChatTemplate } from './chat-template-source.ts'
import { BYTE_LEVEL_EXPRESSION, type PreTokenizerStage } from './pre-tokenizer.ts'
import { type PieceKind, sentencePieceSpec } from './sentencepiece.ts'
import type { ByteBpeSpec, ForeignTokenizerSpec } from './tokenizer.ts'
import { expected, expectValue, type Fields, isId, list, VOCAB_SIZE_MAX } from './verify.ts'

/** By the number in `token_type`. */
const KINDS: readonly (PieceKind | undefined)[] = [
	undefined,
	'normal',
	'unknown',
	'control',
	'user-defined',
	'unused',
	'byte',
]

const LLAMA_EXPRESSION =
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
const QWEN_EXPRESSION = LLAMA_EXPRESSION.replace('{1,3}', '')

interface PreTokenizerKind {
	readonly stages: readonly PreTokenizerStage[]
	readonly ignoresMerges?: boolean
	/** A text begins with bos unless the file says otherwise. */
	readonly addsBos?: boolean
	/** The files that these come from normalize; llama.cpp leaves that out. */
	readonly normalization?: ByteBpeSpec['normalization']
}

const plain: PreTokenizerKind = { stages: [{ type: 'split', expression: BYTE_LEVEL_EXPRESSION }] }
const digits: PreTokenizerKind = { stages: [{ type: 'digits' }, ...plain.stages] }
const llama: PreTokenizerKind = {
	stages: [{ type: 'split', expression: LLAMA_EXPRESSION }],
	ignoresMerges: true,
	addsBos: true,
}
const qwen: PreTokenizerKind = {
	stages: [{ type: 'split', expression: QWEN_EXPRESSION }],
	normalization: 'nfc',
}

/** By `tokenizer.ggml.pre`. */
export const PRE_TOKENIZERS: Readonly<Record<string, PreTokenizerKind>> = {
	'gpt-2': plain,
	mpt: plain,
	olmo: plain,
	'phi-2': plain,
	smollm: digits,
	starcoder: digits,
	refact: digits,
	codeshell: digits,
	'llama-bpe': llama,
	llama3: llama,
	'llama-v3': llama,
	'smaug-bpe': { stages: llama.stages },
	dbrx: { stages: llama.stages },
	qwen2: qwen,
	'deepseek-r1-qwen': qwen,
}

/**
 * Verifies a tokenizer for a table of `rows` tokens. `values` are the file's, by the part of their keys
 * behind `tokenizer.`. Throws an Error that says what was expected and what came.
 */
export function parseGgufTokenizer(values: Fields, rows: number): ForeignTokenizerSpec {
	const kind = values['ggml.model']
	if (kind !== 'gpt2' && kind !== 'llama') {
		throw expected('tokenizer.ggml.model', '"gpt2" or "llama"', kind)
	}
	const tokens = texts('ggml.tokens', values, VOCAB_SIZE_MAX)
	if (tokens.length !== rows) {
		throw expected('tokenizer.ggml.tokens', `${rows} tokens, as many as the table has rows`, tokens)
	}
	const kinds = parseKinds(values, tokens.length)
	const build = kind === 'gpt2' ? byteBpe : pieces
	return { ...build(values, tokens, kinds), chatTemplate: chatTemplate(values, tokens) }
}

/** The template of a chat, which may name the tokens that have ids of their own. */
function chatTemplate(values: Fields, tokens: readonly string[]) {
	const config: Record<string, unknown> = { chat_template: values['chat_template'] }
	for (const [name, key] of Object.entries(TOKEN_KEYS)) {
		const id = values[key]
		if (isId(id)) config[name] = tokens[id]
	}
	return parseChatTemplate({ template: undefined, config, specialTokens: undefined })
}

/** Names of tokens in templates, and where their ids are. */
const TOKEN_KEYS = {
	bos_token: 'ggml.bos_token_id',
	eos_token: 'ggml.eos_token_id',
	unk_token: 'ggml.unknown_token_id',
	pad_token: 'ggml.padding_token_id',
}

function byteBpe(
	values: Fields,
	tokens: readonly string[],
	kinds: readonly PieceKind[],
): ByteBpeSpec {
	const pre = values['ggml.pre']
	if (typeof pre !== 'string' || !Object.hasOwn(PRE_TOKENIZERS, pre)) {
		const known = Object.keys(PRE_TOKENIZERS).join(', ')
		throw expected('tokenizer.ggml.pre', `one of ${known}`, pre)
	}
	const { stages, ignoresMerges, addsBos, normalization } = PRE_TOKENIZERS[pre]!
	const addedTokens = kinds.flatMap((kind, id): AddedToken[] => {
		if (kind !== 'control' && kind !== 'user-defined') return []
		const isSpecial = kind === 'control'
		const plain = { stripsLeft: false, stripsRight: false, isWord: false }
		return [{ id, text: tokens[id]!, isSpecial, ...plain }]
	})
	const isAdded = new Set(addedTokens.map(({ id }) => id))
	const used = kinds.findLastIndex((kind) => kind !== 'unused') + 1
	const vocab = tokens.slice(0, used).map((token, id) => {
		if (kinds[id] === 'unused') return ''
		return isAdded.has(id) ? utf8Bytes(token) : (fromByteAlphabet(token) ?? utf8Bytes(token))
	})
	return {
		type: 'byte-bpe',
		vocab,
		merges: parseMerges(values, tokens),
		ignoresMerges: ignoresMerges ?? false,
		addedTokens,
		specialTokens: addedTokens.filter((token) => token.isSpecial).map(({ text }) => text),
		normalization: normalization ?? 'none',
		preTokenizer: stages,
		...limits(values, tokens.length, addsBos ?? false),
	}
}

/** "left right", where a blank may stand within the left or the right one. */
function parseMerges(values: Fields, tokens: readonly string[]): ByteBpeSpec['merges'] {
	const ids = new Map(tokens.map((token, id) => [token, id]))
	return texts('ggml.merges', values, VOCAB_SIZE_MAX).map((merge, index) => {
		const at = `tokenizer.ggml.merges[${index}]`
		const space = merge.indexOf(' ', 1)
		const [left, right] = [merge.slice(0, space), merge.slice(space + 1)]
		const [a, b, result] = [ids.get(left), ids.get(right), ids.get(left + right)]
		if (space < 1 || a === undefined || b === undefined || result === undefined) {
			throw expected(at, 'a merge of known tokens', merge)
		}
		return [a, b, result] as const
	})
}

function pieces(values: Fields, tokens: readonly string[], kinds: readonly PieceKind[]) {
	const scores = list('tokenizer.ggml.scores', values['ggml.scores'], VOCAB_SIZE_MAX)
	if (scores.length !== tokens.length) {
		throw expected('tokenizer.ggml.scores', `${tokens.length} scores`, scores)
	}
	return sentencePieceSpec('tokenizer.ggml', {
		algorithm: 'bpe',
		pieces: tokens.map((token, id) => (kinds[id] === 'unused' ? '' : token)),
		scores: scores as readonly number[],
		kinds,
		prefix: flag(values, 'ggml.add_space_prefix', true) ? 'each' : 'none',
		removesExtraBlanks: flag(values, 'ggml.remove_extra_whitespaces', false),
		readsReserved: true,
		byteRuns: 'whole',
		...limits(values, tokens.length, true),
	})
}

/** What begins and ends a text. */
function limits(values: Fields, tokenCount: number, addsBos: boolean) {
	const idOf = (key: string): number | undefined => {
		const id = values[key]
		if (id === undefined) return undefined
		if (isId(id) && id < tokenCount) return id
		throw expected(`tokenizer.${key}`, `an id below ${tokenCount}`, id)
	}
	const bos = idOf('ggml.bos_token_id')
	const isAdded = flag(values, 'ggml.add_bos_token', addsBos)
	const ends = ['ggml.eos_token_id', 'ggml.eot_token_id', 'ggml.eom_token_id'].map(idOf)
	return {
		promptPrefix: isAdded && bos !== undefined ? [bos] : [],
		endTokenIds: [...new Set(ends.filter((id) => id !== undefined))],
	}
}

function parseKinds(values: Fields, tokenCount: number): readonly PieceKind[] {
	const types = values['ggml.token_type']
	if (types === undefined) return Array.from({ length: tokenCount }, () => 'normal' as const)
	const numbers = list('tokenizer.ggml.token_type', types, VOCAB_SIZE_MAX)
	if (numbers.length !== tokenCount) {
		throw expected('tokenizer.ggml.token_type', `${tokenCount} types`, numbers)
	}
	return numbers.map((type, id) => {
		const kind = typeof type === 'number' ? KINDS[type] : undefined
		if (kind === undefined) throw expected(`tokenizer.ggml.token_type[${id}]`, '1 to 6', type)
		return kind
	})
}

function texts(key: string, values: Fields, lengthMax: number): readonly string[] {
	const items = list(`tokenizer.${key}`, values[key], lengthMax)
	if (items.every((item) => typeof item === 'string')) return items
	throw expected(`tokenizer.${key}`, 'an array of strings', items)
}

function flag(values: Fields, key: string, fallback: boolean): boolean {
	const value = values[key] ?? fallback
	expectValue(`tokenizer.${key}`, value, [true, false])
	return value === true
}
