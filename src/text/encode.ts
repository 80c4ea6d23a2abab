import { inSlices, type Steps } from '../lib/steps.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/** Reserved tokens in a text are read as such, or as `plain` characters. */
type Reserved = 'read' | 'plain'

/** Ids of a text of any length, made in slices. `hidden` as in `Tokenizer.encodeSteps`. */
export async function encodeText(
	text: string,
	tokenizer: Tokenizer,
	reserved: Reserved,
	hidden?: string,
): Promise<number[]> {
	return inSlices(tokenizer.encodeSteps(text, reserved, hidden))
}

/** The same of several texts: many short ones take long together. */
export function encodeTexts(
	texts: readonly string[],
	tokenizer: Tokenizer,
	reserved: Reserved,
): Promise<number[][]> {
	return inSlices(encodingOf(texts, tokenizer, reserved))
}

function* encodingOf(
	texts: readonly string[],
	tokenizer: Tokenizer,
	reserved: Reserved,
): Steps<number[][]> {
	const lists: number[][] = []
	for (const text of texts) {
		lists.push(yield* tokenizer.encodeSteps(text, reserved))
		yield
	}
	return lists
}
