/*
 * Byte-pair encoding over characters. Bytes stand for characters that no token has; whether they merge
 * is up to the merges.
 */

import { forEachInSteps, STEP_UNITS, type Steps } from '../lib/steps.ts'
import { idsBeyondModel } from './added-tokens.ts'
import { PairMerger } from './pair-merger.ts'
import { PieceCache } from './piece-cache.ts'
import type { PieceModel, PieceSpec } from './tokenizer.ts'
import type { UnknownCharacters } from './unknown-characters.ts'

type BpeModel = Extract<PieceModel, { type: 'bpe' }>

export class PieceBpe {
	readonly #vocabSize: number
	readonly #characters: readonly string[]
	readonly #ids: ReadonlyMap<string, number>
	/** Of single characters, those without a token included. */
	readonly #characterIds = new Map<string, number>()
	readonly #merger: PairMerger
	readonly #ignoresMerges: boolean
	readonly #unknown: UnknownCharacters
	/** Pairs of UTF-16 units that stand within some token. */
	readonly #joints = new Set<number>()
	/** Unknown characters leave nothing behind, so that what stands around them may merge. */
	readonly #dropsUnknown: boolean
	readonly #cache = new PieceCache()

	/** `ids`: of the model's own pieces. */
	static *of(
		spec: PieceSpec,
		model: BpeModel,
		ids: ReadonlyMap<string, number>,
		unknown: UnknownCharacters,
	): Steps<PieceBpe> {
		const bpe = new PieceBpe(spec, model, ids, unknown)
		yield* forEachInSteps(ids, ([piece, id]) => {
			if (isOneCharacter(piece)) bpe.#characterIds.set(piece, id)
		})
		yield* forEachInSteps(model.characters, (character, i) => {
			bpe.#characterIds.set(character, spec.vocab.length + i)
		})
		yield* bpe.#addMerges(spec, model.merges)
		return bpe
	}

	private constructor(
		spec: PieceSpec,
		model: BpeModel,
		ids: ReadonlyMap<string, number>,
		unknown: UnknownCharacters,
	) {
		const { characters } = model
		this.#vocabSize = spec.vocab.length
		this.#characters = characters
		this.#unknown = unknown
		this.#dropsUnknown = spec.unknownId === null && spec.byteIds.length === 0
		this.#ignoresMerges = model.ignoresMerges
		this.#ids = ids
		this.#merger = new PairMerger(this.#vocabSize + characters.length + CODE_POINTS)
	}

	*#addMerges(spec: PieceSpec, merges: Int32Array): Steps<void> {
		const beyond = idsBeyondModel(spec.addedTokens)
		for (let i = 0; i < merges.length; i += 4) {
			if ((i + 4) % (STEP_UNITS / 4) === 0) yield
			const [left, right, result, rank] = merges.subarray(i, i + 4)
			if (beyond.has(result!)) continue
			this.#merger.add(left!, right!, result!, rank!)
			this.#addJoints(spec.vocab[result!]!)
		}
	}

	*encode(piece: string): Steps<number[]> {
		if (this.#ignoresMerges) {
			const whole = this.#ids.get(piece)
			if (whole !== undefined) return [whole]
		}
		const text = this.#dropsUnknown ? this.#known(piece) : piece
		const ids: number[] = []
		/** The last character was unknown. */
		let isUnknown = false
		for (let start = 0, unit = 0; start < text.length; ) {
			const end = this.#cut(text, start)
			const run = text.slice(start, end)
			start = end
			const tokens = this.#cache.get(run) ?? (yield* this.#merge(run))
			for (const token of tokens) {
				const character = token < this.#vocabSize ? null : this.#characterOf(token)
				if (character === null) ids.push(token)
				else this.#unknown.write(ids, character, isUnknown)
				isUnknown = character !== null
			}
			if (++unit % (STEP_UNITS / 16) === 0) yield
		}
		return ids
	}

	#known(piece: string): string {
		return Array.from(piece)
			.filter((character) => this.#characterIds.has(character))
			.join('')
	}

	/** Ids of a run; characters without a token have ids behind the vocabulary. */
	*#merge(run: string): Steps<number[]> {
		const tokens: number[] = []
		for (const character of run)
			tokens.push(this.#characterIds.get(character) ?? this.#codeOf(character))
		const merged = yield* this.#merger.merge(tokens)
		this.#cache.set(run, merged)
		return merged
	}

	/** End of a run that merges by itself: no token reaches over it. */
	#cut(text: string, start: number): number {
		let at = start + 1
		let unit = text.charCodeAt(start)
		for (; at < text.length; at++) {
			const next = text.charCodeAt(at)
			const isWithinCharacter = isHighSurrogate(unit) && isLowSurrogate(next)
			if (!isWithinCharacter && !this.#joints.has(unit * UNITS + next)) break
			unit = next
		}
		return at
	}

	#addJoints(piece: string): void {
		for (let at = 1; at < piece.length; at++) {
			this.#joints.add(piece.charCodeAt(at - 1) * UNITS + piece.charCodeAt(at))
		}
	}

	/** Characters that nothing knows have ids behind those that merge. */
	#codeOf(character: string): number {
		return this.#vocabSize + this.#characters.length + character.codePointAt(0)!
	}

	#characterOf(id: number): string {
		const index = id - this.#vocabSize
		return this.#characters[index] ?? String.fromCodePoint(index - this.#characters.length)
	}
}

/** UTF-16 units, and characters of Unicode. */
const UNITS = 2 ** 16
const CODE_POINTS = 0x110000

function isHighSurrogate(unit: number): boolean {
	return unit >= 0xd800 && unit < 0xdc00
}

function isLowSurrogate(unit: number): boolean {
	return unit >= 0xdc00 && unit < 0xe000
}

function isOneCharacter(piece: string): boolean {
	return piece.length === (piece.codePointAt(0)! > 0xffff ? 2 : 1)
}
