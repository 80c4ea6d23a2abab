/**
 * Contract of the tokenizers: text to ids and back, exactly as the trainer does it.
 * `create-tokenizer.ts` makes one from a verified spec, `tokenizer-spec.ts` verifies what a
 * checkpoint holds. Nothing here knows models, requests or HTTP.
 */

/** A tokenizer as stored in a checkpoint, verified. Plain data: crosses threads. */
export interface TokenizerSpec {
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

/** Text to token ids and back, exactly as the trainer does it. Texts that come out are well-formed. */
export interface Tokenizer {
	readonly spec: TokenizerSpec
	/** Ids of `text`; characters and words that the vocabulary lacks are skipped. */
	encode(text: string): number[]
	/** As `encode`, but a reserved token's text is read as ordinary characters: for untrusted parts. */
	encodePlain(text: string): number[]
	/** Text of all ids at once; ids outside the vocabulary add nothing. */
	decode(ids: readonly number[]): string
	/** The string of one id, '' outside the vocabulary. */
	tokenText(id: number): string
	/** Id of a reserved token such as `<|end_of_text|>`, or undefined when it is not reserved here. */
	specialTokenId(text: string): number | undefined
	/** The token from which generation starts when a prompt has no tokens: newline, else id 0. */
	readonly startTokenId: number
	/** A decoder whose pieces, joined, equal `decode` of all ids pushed so far. */
	createDecoder(): IncrementalDecoder
}

/** Decodes ids one at a time. The joined pieces, `flush` included, equal decoding at once. */
export interface IncrementalDecoder {
	/** Text that became certain with this id; may be ''. */
	push(id: number): string
	/** Text still held back at the end. */
	flush(): string
}
