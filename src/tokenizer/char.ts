import type { Tokenizer, TrainerTokenizerSpec } from './tokenizer.ts'
import { Vocabulary } from './vocabulary.ts'

/** One token per code point; others are skipped. */
export function createCharTokenizer(spec: TrainerTokenizerSpec): Tokenizer {
	const vocabulary = new Vocabulary(spec.vocab)
	const idByCodePoint = vocabulary.codePointIds()

	const encode = (text: string): number[] => {
		const ids: number[] = []
		for (let at = 0; at < text.length; ) {
			const codePoint = text.codePointAt(at)!
			at += codePoint > 0xffff ? 2 : 1
			const id = idByCodePoint[codePoint] ?? -1
			if (id >= 0) ids.push(id)
		}
		return ids
	}

	return {
		spec,
		encode,
		encodePlain: encode,
		decode: (ids) => vocabulary.join(ids),
		tokenText: (id) => vocabulary.textOf(id),
		tokenBytes: (id) => vocabulary.bytesOf(id),
		promptPrefix: [],
		endTokenIds: [],
		specialTokenId: () => undefined,
		startTokenId: vocabulary.startTokenId,
		createDecoder: () => vocabulary.createJoiningDecoder(),
	}
}
