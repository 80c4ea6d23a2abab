/*
 * Tokenizers as Hugging Face's libraries write them: `tokenizer.json`, or `vocab.json` with `merges.txt`, or
 * SentencePiece's `tokenizer.model`. What is not understood is refused by name, since a tokenizer that is
 * nearly right gives a model texts that it was not trained on.
 */
import { isRecord } from '../lib/json.ts'
import type { AddedToken } from './added-tokens.ts'
import { fromByteAlphabet, utf8Bytes } from './byte-alphabet.ts'
import { parseChatTemplate } from './chat-template-source.ts'
import { parseMerges, parsePieceModel, parseVocab } from './huggingface-model.ts'
import {
	parseAddedTokens,
	parseDecoder,
	parseNormalizer,
	parsePostProcessor,
	parsePreTokenizer,
} from './huggingface-stages.ts'
import { BYTE_LEVEL_EXPRESSION } from './pre-tokenizer.ts'
import { sentencePieceSpec } from './sentencepiece.ts'
import { parseSentencePieceModel } from './sentencepiece-model.ts'
import type { ByteBpeSpec, ForeignTokenizerSpec, PieceSpec } from './tokenizer.ts'
import { expected, expectValue, type Fields, list, record, VOCAB_SIZE_MAX } from './verify.ts'

type Merges = ByteBpeSpec['merges']

/** The parts of a tokenizer as they stand in their files, parsed as JSON. */
export interface TokenizerFiles {
	/** tokenizer.json; or else the next two; or else tokenizer.model. */
	readonly tokenizer: unknown
	/** vocab.json: ids by token. */
	readonly vocab: unknown
	/** merges.txt. */
	readonly merges: string | undefined
	/** tokenizer.model. */
	readonly model: Uint8Array | undefined
	/** tokenizer_config.json. */
	readonly config: unknown
	/** chat_template.jinja. */
	readonly chatTemplate: string | undefined
	/** special_tokens_map.json. */
	readonly specialTokens: unknown
	/** Ids that end a text: of generation_config.json, or of config.json. */
	readonly endTokenIds: readonly number[]
}

/** Verifies a tokenizer. Throws an Error that says what was expected and what came. */
export function parseHuggingFaceTokenizer(files: TokenizerFiles): ForeignTokenizerSpec {
	const { chatTemplate: template, config, specialTokens } = files
	return {
		...parseModel(files),
		chatTemplate: parseChatTemplate({ template, config, specialTokens }),
	}
}

function parseModel(files: TokenizerFiles): ForeignTokenizerSpec {
	if (files.tokenizer !== undefined) return parseTokenizerJson(files)
	if (files.vocab !== undefined && files.merges !== undefined) {
		return parseVocabAndMerges(files, files.merges)
	}
	if (files.model !== undefined) return parseTokenizerModel(files, files.model)
	const wanted = 'tokenizer.json, vocab.json and merges.txt, or tokenizer.model'
	throw new Error(`tokenizer: expected ${wanted}, got none`)
}

function parseVocabAndMerges(files: TokenizerFiles, mergesText: string): ByteBpeSpec {
	const lines = mergesText.split('\n').filter((line) => line !== '' && !line.startsWith('#version'))
	const config = isRecord(files.config) ? files.config : {}
	const ids = parseVocab('vocab.json', files.vocab)
	return {
		type: 'byte-bpe',
		...assembleBytes(ids, configuredTokens(config), parseMerges('merges.txt', lines, ids)),
		ignoresMerges: false,
		normalization: 'none',
		preTokenizer: [
			...(config['add_prefix_space'] === true ? [{ type: 'prefix-space' } as const] : []),
			{ type: 'split', expression: BYTE_LEVEL_EXPRESSION },
		],
		promptPrefix: [],
		endTokenIds: files.endTokenIds,
	}
}

/** `added_tokens_decoder` of tokenizer_config.json. */
function configuredTokens(config: Fields): AddedToken[] {
	const decoder = isRecord(config['added_tokens_decoder']) ? config['added_tokens_decoder'] : {}
	const tokens = Object.entries(decoder).map(([id, token]) =>
		isRecord(token) ? { ...token, id: Number(id) } : token,
	)
	return parseAddedTokens('tokenizer_config.json.added_tokens_decoder', tokens)
}

/**
 * SentencePiece's own file, where there is no other. The beginning token is put before a text unless
 * `add_bos_token` is false; each stretch between reserved tokens gets a blank in front unless `legacy` is
 * false.
 */
function parseTokenizerModel(files: TokenizerFiles, bytes: Uint8Array): PieceSpec {
	const config = isRecord(files.config) ? files.config : {}
	const model = parseSentencePieceModel(bytes)
	const { bosId, eosId, addsPrefix } = model
	const addsBos = config['add_bos_token'] !== false && model.kinds[bosId] === 'control'
	const spec = sentencePieceSpec('tokenizer.model', {
		...model,
		prefix: addsPrefix ? (config['legacy'] === false ? 'first' : 'each') : 'none',
		readsReserved: true,
		byteRuns: 'characters',
		promptPrefix: addsBos ? [bosId] : [],
		endTokenIds:
			files.endTokenIds.length > 0 || model.kinds[eosId] !== 'control'
				? files.endTokenIds
				: [eosId],
	})
	const added = configuredTokens(config).filter(({ id }) => id >= spec.vocab.length)
	return withAddedTokens(spec, added)
}

function withAddedTokens(spec: PieceSpec, added: readonly AddedToken[]): PieceSpec {
	if (added.length === 0) return spec
	const vocab = [...spec.vocab]
	for (const { id, text } of added) vocab[id] = text
	const special = added.filter((token) => token.isSpecial).map(({ text }) => text)
	return {
		...spec,
		vocab: Array.from(vocab, (piece) => piece ?? ''),
		addedTokens: [...spec.addedTokens, ...added],
		specialTokens: [...spec.specialTokens, ...special],
	}
}

function parseTokenizerJson(files: TokenizerFiles): ForeignTokenizerSpec {
	const json = record('tokenizer.json', files.tokenizer)
	const model = record('tokenizer.json.model', json['model'])
	expectValue('tokenizer.json.model.type', model['type'], ['BPE', 'Unigram', 'WordLevel'])
	for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
		expectValue(`tokenizer.json.model.${key}`, model[key], [undefined, null, ''])
	}
	expectValue('tokenizer.json.model.dropout', model['dropout'], [undefined, null, 0])
	const added = parseAddedTokens('tokenizer.json.added_tokens', json['added_tokens'] ?? [])
	const shared = {
		promptPrefix: parsePostProcessor(json['post_processor'], added),
		endTokenIds: files.endTokenIds,
	}
	const preTokenizer = parsePreTokenizer(json['pre_tokenizer'])
	const normalizer = parseNormalizer('tokenizer.json.normalizer', json['normalizer'])
	const isByteLevel =
		model['type'] === 'BPE' && model['byte_fallback'] !== true && preTokenizer.isByteLevel
	if (preTokenizer.isByteLevel !== isByteLevel) {
		throw expected(
			'tokenizer.json.pre_tokenizer',
			`none by bytes for ${model['type']}`,
			'ByteLevel',
		)
	}
	if (!isByteLevel) {
		const { vocab, ...parsed } = parsePieceModel(model)
		return {
			type: 'pieces',
			...parsed,
			...assemblePieces(vocab, added),
			normalizer,
			preTokenizer: preTokenizer.stages,
			decoder: parseDecoder(json['decoder']),
			...shared,
		}
	}
	const decoder = record('tokenizer.json.decoder', json['decoder'])
	expectValue('tokenizer.json.decoder.type', decoder['type'], ['ByteLevel'])
	for (const stage of normalizer) {
		const isNfc = stage.type === 'unicode' && stage.form === 'NFC' && normalizer.length === 1
		if (!isNfc) throw expected('tokenizer.json.normalizer', 'none or NFC', stage.type)
	}
	const ids = parseVocab('tokenizer.json.model.vocab', model['vocab'])
	const merges = list('tokenizer.json.model.merges', model['merges'], VOCAB_SIZE_MAX)
	return {
		type: 'byte-bpe',
		...assembleBytes(ids, added, parseMerges('tokenizer.json.model.merges', merges, ids)),
		ignoresMerges: model['ignore_merges'] === true,
		normalization: normalizer.length === 0 ? 'none' : 'nfc',
		preTokenizer: preTokenizer.stages,
		...shared,
	}
}

function assembleBytes(
	ids: ReadonlyMap<string, number>,
	added: readonly AddedToken[],
	merges: Merges,
) {
	const vocab = new Array<string>(sizeOf(ids.values(), added)).fill('')
	for (const [token, id] of ids) vocab[id] = fromByteAlphabet(token) ?? utf8Bytes(token)
	for (const { id, text } of added) vocab[id] = utf8Bytes(text)
	return { vocab, merges, ...reservedOf(added, (text) => ids.has(text)) }
}

function assemblePieces(pieces: readonly string[], added: readonly AddedToken[]) {
	const vocab = new Array<string>(sizeOf([pieces.length - 1], added)).fill('')
	for (const [id, piece] of pieces.entries()) vocab[id] = piece
	for (const { id, text } of added) vocab[id] = text
	const known = new Set(pieces)
	return { vocab, ...reservedOf(added, (text) => known.has(text)) }
}

function sizeOf(ids: Iterable<number>, added: readonly AddedToken[]): number {
	let size = 0
	for (const id of ids) size = Math.max(size, id + 1)
	for (const { id } of added) size = Math.max(size, id + 1)
	return size
}

function reservedOf(added: readonly AddedToken[], isModelToken: (text: string) => boolean) {
	return {
		addedTokens: added.map((token) => ({ ...token, isModelToken: isModelToken(token.text) })),
		specialTokens: added.filter((token) => token.isSpecial).map(({ text }) => text),
	}
}
