export interface ExportReport {
	/** Names of the files that were written. */
	readonly files: readonly string[]
	/** In words, where the tokenizer may give other ids than ours. */
	readonly differences: readonly string[]
}
