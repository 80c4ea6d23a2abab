import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/**
 * A token as lists of log-probabilities show it: its text, or the bytes of a part of a character as
 * `bytes:\xe2\x82`, the way OpenAI writes them. `isAfterWord` as in `Tokenizer.tokenText`.
 */
export function tokenLabel(tokenizer: Tokenizer, id: number, isAfterWord = false): string {
	const text = tokenizer.tokenText(id, isAfterWord)
	if (text !== '') return text
	const bytes = [...tokenizer.tokenBytes(id)].map((byte) => byte.toString(16).padStart(2, '0'))
	return bytes.length === 0 ? '' : `bytes:${bytes.map((hex) => `\\x${hex}`).join('')}`
}
