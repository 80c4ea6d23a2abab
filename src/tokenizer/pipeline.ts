/*
 * How most trainers' tokenizers work: added tokens are found first, what lies between is normalised and
 * cut into pieces, and a model makes ids of each piece.
 */

import { finish, forEachInSteps, STEP_UNITS, type Steps } from '../lib/steps.ts'
import { type AddedToken, AddedTokenFinder } from './added-tokens.ts'
import type { Normalizer } from './normalizer.ts'
import { PieceCache } from './piece-cache.ts'
import type { PreTokenizer } from './pre-tokenizer.ts'
import type { ForeignTokenizerSpec, IncrementalDecoder, Tokenizer } from './tokenizer.ts'

export interface PipelineStages {
	readonly normalize: Normalizer
	readonly split: PreTokenizer
	/** Ids of a piece, at once or in steps. */
	encodePiece(piece: string): readonly number[] | Steps<number[]>
	readonly texts: TokenTexts
}

/** What ids are in text. */
export interface TokenTexts {
	/** '' for bytes that are no whole characters. */
	textOf(id: number, isAfterWord: boolean): string
	bytesOf(id: number): Uint8Array
	createDecoder(textBefore: string): IncrementalDecoder
}

export class PipelineTokenizer implements Tokenizer {
	readonly spec: ForeignTokenizerSpec
	readonly promptPrefix: readonly number[]
	readonly endTokenIds: readonly number[]
	readonly startTokenId: number
	readonly #stages: PipelineStages
	readonly #cache = new PieceCache()
	/** Cut texts at all added tokens, and at those that anybody may write. */
	readonly #all: Cutter
	readonly #ordinary: Cutter

	static *of(spec: ForeignTokenizerSpec, stages: PipelineStages): Steps<PipelineTokenizer> {
		const { addedTokens, promptPrefix, endTokenIds } = spec
		const ordinary = addedTokens.filter((token) => !token.isSpecial)
		return new PipelineTokenizer(
			spec,
			stages,
			yield* Cutter.of(addedTokens, stages.normalize),
			yield* Cutter.of(ordinary, stages.normalize),
			promptPrefix[0] ?? endTokenIds[0] ?? (yield* newlineId(spec.vocab.length, stages.texts)) ?? 0,
		)
	}

	private constructor(
		spec: ForeignTokenizerSpec,
		stages: PipelineStages,
		all: Cutter,
		ordinary: Cutter,
		startTokenId: number,
	) {
		this.spec = spec
		this.promptPrefix = spec.promptPrefix
		this.endTokenIds = spec.endTokenIds
		this.startTokenId = startTokenId
		this.#stages = stages
		this.#all = all
		this.#ordinary = ordinary
	}

	encode(text: string): number[] {
		return finish(this.encodeSteps(text, 'read'))
	}

	encodePlain(text: string): number[] {
		return finish(this.encodeSteps(text, 'plain'))
	}

	*encodeSteps(text: string, reserved: 'read' | 'plain', hidden = ''): Steps<number[]> {
		const cutter = reserved === 'read' ? this.#all : this.#ordinary
		const ids: number[] = []
		let unit = 0
		for (const segment of cutter.cut(text.toWellFormed())) {
			if ('id' in segment) {
				ids.push(segment.id)
				continue
			}
			const shown = hidden === '' ? segment.text : segment.text.replaceAll(hidden, '')
			if (shown === '') continue
			for (const piece of this.#stages.split(shown, segment.isFirst)) {
				for (const id of this.#cache.get(piece) ?? (yield* this.#encodePiece(piece))) ids.push(id)
				// A piece that is not known yet costs some microseconds.
				if (++unit % (STEP_UNITS / 16) === 0) yield
			}
		}
		return ids
	}

	decode(ids: readonly number[]): string {
		const decoder = this.createDecoder()
		let text = ''
		for (const id of ids) text += decoder.push(id)
		return text + decoder.flush()
	}

	tokenText(id: number, isAfterWord = false): string {
		return this.#stages.texts.textOf(id, isAfterWord)
	}

	tokenBytes(id: number): Uint8Array {
		return this.#stages.texts.bytesOf(id)
	}

	specialTokenId(text: string): number | undefined {
		return this.spec.addedTokens.find((token) => token.isSpecial && token.text === text)?.id
	}

	createDecoder(textBefore = ''): IncrementalDecoder {
		return this.#stages.texts.createDecoder(textBefore)
	}

	*#encodePiece(piece: string): Generator<void, readonly number[], void> {
		const encoded = this.#stages.encodePiece(piece)
		const ids = 'next' in encoded ? yield* encoded : encoded
		this.#cache.set(piece, ids)
		return ids
	}
}

function* newlineId(vocabSize: number, texts: TokenTexts): Steps<number | undefined> {
	for (let id = 0; id < vocabSize; id++) {
		if (texts.textOf(id, false) === '\n') return id
		if ((id + 1) % (STEP_UNITS / 16) === 0) yield
	}
	return undefined
}

/** A stretch of normal text between added tokens, or one of them. */
type Segment = { readonly text: string; readonly isFirst: boolean } | { readonly id: number }

/** Finds added tokens: most in the text as it is, some in its normal form. */
class Cutter {
	readonly #raw: AddedTokenFinder
	readonly #normal: AddedTokenFinder
	readonly #normalize: Normalizer

	static *of(tokens: readonly AddedToken[], normalize: Normalizer): Steps<Cutter> {
		const raw: AddedToken[] = []
		const normal: AddedToken[] = []
		yield* forEachInSteps(tokens, (token) => {
			if (token.isNormalized !== true) raw.push(token)
			else normal.push({ ...token, text: normalize(token.text, true) })
		})
		const finders = [yield* AddedTokenFinder.of(raw), yield* AddedTokenFinder.of(normal)] as const
		return new Cutter(...finders, normalize)
	}

	private constructor(raw: AddedTokenFinder, normal: AddedTokenFinder, normalize: Normalizer) {
		this.#raw = raw
		this.#normal = normal
		this.#normalize = normalize
	}

	*cut(text: string): Generator<Segment> {
		for (const [i, outer] of this.#raw.segments(text).entries()) {
			if ('id' in outer) {
				yield outer
				continue
			}
			const normal = this.#normalize(outer.text, i === 0)
			for (const [j, inner] of this.#normal.segments(normal).entries()) {
				yield 'id' in inner ? inner : { text: inner.text, isFirst: i === 0 && j === 0 }
			}
		}
	}
}
