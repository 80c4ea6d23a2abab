import type { IncrementalDecoder, Tokenizer, TrainerTokenizerSpec } from './tokenizer.ts'
import { Vocabulary } from './vocabulary.ts'

/**
 * Words between white space, and the newline as a token of its own.
 *
 * Decoding puts one blank between two tokens of which neither is the newline. That is what the
 * trainer's decoding at once does; its streamed form also puts one in front of the first word and of
 * each line, which ours does not: a stream gives the same text as decoding at once.
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

	const createDecoder = (): IncrementalDecoder => {
		let needsBlank = false
		return {
			push(id) {
				if (spec.vocab[id] === undefined) return ''
				if (spec.vocab[id] === '\n') {
					needsBlank = false
					return '\n'
				}
				const text = (needsBlank ? ' ' : '') + vocabulary.textOf(id)
				needsBlank = true
				return text
			},
			flush: () => '',
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
		tokenText: (id) => vocabulary.textOf(id),
		tokenBytes: (id) => vocabulary.bytesOf(id),
		promptPrefix: [],
		endTokenIds: [],
		specialTokenId: () => undefined,
		startTokenId: vocabulary.startTokenId,
		createDecoder,
	}
}
