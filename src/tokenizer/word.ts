import { finish, STEP_UNITS, type Steps } from '../lib/steps.ts'
import type { IncrementalDecoder, Tokenizer, TrainerTokenizerSpec } from './tokenizer.ts'
import { Vocabulary } from './vocabulary.ts'

/**
 * Words between white space, and the newline as a token of its own.
 *
 * Decoding puts one blank between two tokens of which neither is the newline, as the trainer's
 * decoding at once does. (The trainer's streamed form also puts one at the start of each line.)
 */
export function* createWordTokenizer(spec: TrainerTokenizerSpec): Steps<Tokenizer> {
	const vocabulary = yield* Vocabulary.of(spec.vocab)
	const newlineId = vocabulary.idOf('\n')

	const encodeSteps = function* (text: string): Steps<number[]> {
		const ids: number[] = []
		let unit = 0
		for (const [index, line] of text.split('\n').entries()) {
			if (++unit % STEP_UNITS === 0) yield
			if (index > 0 && newlineId !== undefined) ids.push(newlineId)
			const trimmed = line.trim()
			if (trimmed === '') continue
			for (const word of trimmed.split(/\s+/)) {
				const id = vocabulary.idOf(word)
				if (id !== undefined) ids.push(id)
				if (++unit % STEP_UNITS === 0) yield
			}
		}
		return ids
	}
	const encode = (text: string) => finish(encodeSteps(text))

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
		encodeSteps,
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
