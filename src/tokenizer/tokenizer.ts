/**
 * Contract of the tokenizers: text to ids and back, exactly as the trainer does it.
 * `create-tokenizer.ts` makes one from a verified spec, `tokenizer-spec.ts` verifies what a
 * checkpoint holds. Nothing here knows models, requests or HTTP.
 */

import type { Steps } from '../lib/steps.ts'
import type { AddedToken } from './added-tokens.ts'
import type { ChatTemplateSource } from './chat-template-source.ts'
import type { NormalizerStage } from './normalizer.ts'
import type { PreTokenizerStage } from './pre-tokenizer.ts'

/** A tokenizer as stored with a checkpoint, verified. Plain data: crosses threads. */
export type TokenizerSpec = TrainerTokenizerSpec | ForeignTokenizerSpec

/** The tokenizers of other trainers. */
export type ForeignTokenizerSpec = ByteBpeSpec | PieceSpec

/** The tokenizers of our own trainer. */
export interface TrainerTokenizerSpec {
	readonly type: 'bpe' | 'char' | 'word'
	/** Token strings; the index is the id. */
	readonly vocab: readonly string[]
	/** BPE merges in rank order; empty for the other types. */
	readonly merges: readonly (readonly [left: number, right: number])[]
	/** Reserved tokens that encode as one id, in the order in which they are tried. */
	readonly specialTokens: readonly string[]
	/** The order in which BPE merges apply; the JSON form always uses `plain`. */
	readonly mergeOrder: 'plain' | 'queue'
}

/** Byte-pair encoding over bytes, as GPT-2 and its descendants have it. */
export interface ByteBpeSpec {
	readonly type: 'byte-bpe'
	/** The bytes of each id, one character U+0000 … U+00FF per byte; '' where there is no such token. */
	readonly vocab: readonly string[]
	/** Merges in rank order with the id that each makes. */
	readonly merges: readonly (readonly [left: number, right: number, result: number])[]
	/** A piece that is a token needs no merges to become one. */
	readonly ignoresMerges: boolean
	readonly addedTokens: readonly AddedToken[]
	/** Texts of the special ones among them. */
	readonly specialTokens: readonly string[]
	readonly normalization: 'none' | 'nfc'
	/** How texts are cut before merging. */
	readonly preTokenizer: readonly PreTokenizerStage[]
	/** Ids that are put before every prompt text. */
	readonly promptPrefix: readonly number[]
	/** Ids that end any text. */
	readonly endTokenIds: readonly number[]
	/** The model's own chat template. Default none. */
	readonly chatTemplate?: ChatTemplateSource | null
}

/** Tokens that are pieces of text, as SentencePiece has them, with bytes for what they lack; or whole words. */
export interface PieceSpec {
	readonly type: 'pieces'
	/** The piece of each id as its file writes it; '' where there is no such token. */
	readonly vocab: readonly string[]
	readonly model: PieceModel
	/** What stands for characters that no piece has; null = they are left out. */
	readonly unknownId: number | null
	/** Neighbouring unknown characters are one token. */
	readonly fusesUnknown: boolean
	/** By byte: the id that stands for it, before the unknown one is used. Empty = bytes are no tokens. */
	readonly byteIds: readonly number[]
	readonly addedTokens: readonly AddedToken[]
	/** Texts of the special ones among them. */
	readonly specialTokens: readonly string[]
	readonly normalizer: readonly NormalizerStage[]
	readonly preTokenizer: readonly PreTokenizerStage[]
	readonly decoder: PieceDecoding
	/** Ids that are put before every prompt text. */
	readonly promptPrefix: readonly number[]
	/** Ids that end any text. */
	readonly endTokenIds: readonly number[]
	/** The model's own chat template. Default none. */
	readonly chatTemplate?: ChatTemplateSource | null
}

export type PieceModel =
	/** Pairs of neighbours merge, beginning with characters. */
	| {
			readonly type: 'bpe'
			/** [left, right, result, rank] of each merge, one after another. */
			readonly merges: Int32Array
			/** Characters that are no tokens but merge: the first has the id behind the vocabulary. */
			readonly characters: readonly string[]
			/** A piece that is a token needs no merges to become one. */
			readonly ignoresMerges: boolean
	  }
	/** The likeliest way to write a text. Kudo 2018, "Subword Regularization". */
	| {
			readonly type: 'unigram'
			/** Log-probabilities by id; -Infinity: never used. */
			readonly scores: Float64Array
			/** Log-probability of a character that no piece has. */
			readonly unknownScore: number
			/** Sums are rounded to f32, as SentencePiece's own are. */
			readonly isSinglePrecision: boolean
	  }
	/** A piece is a token as a whole. */
	| { readonly type: 'word' }

export interface PieceDecoding {
	/** `▁` is written as a blank. */
	readonly readsBlankMarks: boolean
	/** What stands between tokens. */
	readonly separator: '' | ' '
	/** Blanks that are left out at the start of a text; `first-token`: all of its first token. */
	readonly dropsAtStart: 'nothing' | 'one' | 'first-token' | 'all'
	/**
	 * How neighbouring byte tokens become text: all of them are valid UTF-8 or each is U+FFFD, or
	 * character by character.
	 */
	readonly byteRuns: 'whole' | 'characters'
}

/** Text to token ids and back, exactly as the trainer does it. Texts that come out are well-formed. */
export interface Tokenizer {
	readonly spec: TokenizerSpec
	/** Ids of `text`; characters and words that the vocabulary lacks are skipped. */
	encode(text: string): number[]
	/** As `encode`, but a reserved token's text is read as ordinary characters: for untrusted parts. */
	encodePlain(text: string): number[]
	/**
	 * Both of them in steps, for texts that would keep others waiting. `hidden` is no part of the text: a
	 * reserved token that it stands within is not read as one. Tokenizers of our own trainer ignore it.
	 */
	encodeSteps(text: string, reserved: 'read' | 'plain', hidden?: string): Steps<number[]>
	/** Text of all ids at once; ids outside the vocabulary add nothing. */
	decode(ids: readonly number[]): string
	/**
	 * The string of one id; '' outside the vocabulary and for bytes that are no whole characters.
	 * `isAfterWord`: as it is written behind a word, where a word tokenizer puts a blank. Default false.
	 */
	tokenText(id: number, isAfterWord?: boolean): string
	/** The bytes of one id. */
	tokenBytes(id: number): Uint8Array
	/** Id of a reserved token such as `<|end_of_text|>`, or undefined when it is not reserved here. */
	specialTokenId(text: string): number | undefined
	/** Ids that are put before every prompt text. */
	readonly promptPrefix: readonly number[]
	/** Ids that end any text of this model. */
	readonly endTokenIds: readonly number[]
	/** The token from which generation starts when a prompt has no tokens. */
	readonly startTokenId: number
	/**
	 * A decoder whose pieces, joined, equal `decode` of all ids pushed so far. Behind a `textBefore`
	 * that does not end in white space a first word gets the blank that separates words.
	 */
	createDecoder(textBefore?: string): IncrementalDecoder
}

/** Decodes ids one at a time. The joined pieces, `flush` included, equal decoding at once. */
export interface IncrementalDecoder {
	/** Text that became certain with this id; may be ''. */
	push(id: number): string
	/** Text still held back at the end. */
	flush(): string
	/** The next id is written behind a word: see `Tokenizer.tokenText`. */
	readonly isAfterWord: boolean
}
