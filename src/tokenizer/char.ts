import { finish, STEP_UNITS, type Steps } from '../lib/steps.ts'
import type { Tokenizer, TrainerTokenizerSpec } from './tokenizer.ts'
import { Vocabulary } from './vocabulary.ts'

/** One token per code point; others are skipped. */
export function* createCharTokenizer(spec: TrainerTokenizerSpec): Steps<Tokenizer> {
	const vocabulary = yield* Vocabulary.of(spec.vocab)
	const idByCodePoint = yield* vocabulary.codePointIds()

	const encodeSteps = function* (text: string): Steps<number[]> {
		const ids: number[] = []
		for (let at = 0; at < text.length; ) {
			const codePoint = text.codePointAt(at)!
			at += codePoint > 0xffff ? 2 : 1
			const id = idByCodePoint[codePoint] ?? -1
			if (id >= 0) ids.push(id)
			if (at % STEP_UNITS === 0) yield
		}
		return ids
	}
	const encode = (text: string) => finish(encodeSteps(text))

	return {
		spec,
		encode,
		encodePlain: encode,
		encodeSteps,
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
