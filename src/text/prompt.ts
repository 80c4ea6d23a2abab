import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { encodeText } from './encode.ts'

/** What a model reads, and what that means for the text that follows. */
export interface Prompt {
	/** May be empty: generation then starts from the tokenizer's start token. */
	readonly tokenIds: readonly number[]
	/** Ids that end the text that follows. */
	readonly stopTokenIds: readonly number[]
	/** The text that is continued; '' where what follows is a text of its own, as a reply is. */
	readonly textBefore: string
	/** The text that follows starts with the blank behind a role, which `TextStream` drops. */
	readonly skipsLeadingBlank: boolean
}

/**
 * Characters of a prompt that are encoded: its last ones. They are far more than any context holds,
 * so the model reads the same tokens as if all had been encoded.
 */
export const PROMPT_CHARACTERS_MAX = 128 * 1024

/** The part of a text that is encoded. */
export function endOfText(text: string): string {
	return text.length <= PROMPT_CHARACTERS_MAX ? text : text.slice(-PROMPT_CHARACTERS_MAX)
}

/** A text to be continued, behind what the tokenizer puts first. Reserved tokens in it are read as such. */
export async function textPrompt(text: string, tokenizer: Tokenizer): Promise<Prompt> {
	const ids = await encodeText(endOfText(text), tokenizer, 'read')
	const tokenIds = [...tokenizer.promptPrefix, ...ids]
	return tokenPrompt(tokenIds, text, tokenizer)
}

/** Token ids to be continued, and what they spell. */
export function tokenPrompt(
	tokenIds: readonly number[],
	text: string,
	{ endTokenIds }: Tokenizer,
): Prompt {
	return { tokenIds, stopTokenIds: endTokenIds, textBefore: text, skipsLeadingBlank: false }
}
