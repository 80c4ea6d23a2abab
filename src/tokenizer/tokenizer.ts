/**
 * Contract of the tokenizers: text to ids and back, exactly as the trainer does it.
 * `create-tokenizer.ts` makes one from a verified spec, `tokenizer-spec.ts` verifies what a
 * checkpoint holds. Nothing here knows models, requests or HTTP.
 */
import type { AddedToken } from './added-tokens.ts'
import type { EncodeSteps } from './encode-steps.ts'
import type { PreTokenizerStage } from './pre-tokenizer.ts'

/** A tokenizer as stored with a checkpoint, verified. Plain data: crosses threads. */
export type TokenizerSpec = TrainerTokenizerSpec | ByteBpeSpec

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
}

/** Text to token ids and back, exactly as the trainer does it. Texts that come out are well-formed. */
export interface Tokenizer {
	readonly spec: TokenizerSpec
	/** Ids of `text`; characters and words that the vocabulary lacks are skipped. */
	encode(text: string): number[]
	/** As `encode`, but a reserved token's text is read as ordinary characters: for untrusted parts. */
	encodePlain(text: string): number[]
	/** Both of them in steps, for texts that would keep others waiting. */
	encodeSteps(text: string, reserved: 'read' | 'plain'): EncodeSteps
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
