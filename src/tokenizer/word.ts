import type { IncrementalDecoder, Tokenizer, TrainerTokenizerSpec } from './tokenizer.ts'
import { Vocabulary } from './vocabulary.ts'

/**
 * Words between white space, and the newline as a token of its own.
 *
 * Decoding puts one blank between two tokens of which neither is the newline, as the trainer's
 * decoding at once does. (The trainer's streamed form also puts one at the start of each line.)
 */
export function createWordTokenizer(spec: TrainerTokenizerSpec): Tokenizer {
	const vocabulary = new Vocabulary(spec.vocab)
	const newlineId = vocabulary.idOf('\n')

	const encode = (text: string): number[] => {
		const ids: number[] = []
		for (const [index, line] of text.split('\n').entries()) {
			if (index > 0 && newlineId !== undefined) ids.push(newlineId)
			const trimmed = line.trim()
			if (trimmed === '') continue
			for (const word of trimmed.split(/\s+/)) {
				const id = vocabulary.idOf(word)
				if (id !== undefined) ids.push(id)
			}
		}
		return ids
	}

	const isWord = (id: number) => spec.vocab[id] !== undefined && spec.vocab[id] !== '\n'
	const tokenText = (id: number, isAfterWord = false) =>
		(isAfterWord && isWord(id) ? ' ' : '') + vocabulary.textOf(id)

	const createDecoder = (textBefore = ''): IncrementalDecoder => {
		let isAfterWord = /\S$/.test(textBefore)
		return {
			push(id) {
				const text = tokenText(id, isAfterWord)
				if (spec.vocab[id] !== undefined) isAfterWord = isWord(id)
				return text
			},
			flush: () => '',
			get isAfterWord() {
				return isAfterWord
			},
		}
	}

	return {
		spec,
		encode,
		encodePlain: encode,
		decode(ids) {
			const decoder = createDecoder()
			let text = ''
			for (const id of ids) text += decoder.push(id)
			return text
		},
		tokenText,
		tokenBytes: (id) => vocabulary.bytesOf(id),
		promptPrefix: [],
		endTokenIds: [],
		specialTokenId: () => undefined,
		startTokenId: vocabulary.startTokenId,
		createDecoder,
	}
}
