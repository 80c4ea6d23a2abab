/*
 * The likeliest way to write a text as pieces whose probabilities multiply. Kudo 2018, "Subword
 * Regularization"; found by Viterbi's algorithm in one pass.
 */

import { forEachInSteps, STEP_UNITS, type Steps } from '../lib/steps.ts'
import { idsBeyondModel } from './added-tokens.ts'
import type { PieceModel, PieceSpec } from './tokenizer.ts'
import type { UnknownCharacters } from './unknown-characters.ts'

type UnigramModel = Extract<PieceModel, { type: 'unigram' }>

/** UTF-16 units. */
const UNITS = 2 ** 16
const UNKNOWN = -1

export class Unigram {
	readonly #model: UnigramModel
	readonly #unknown: UnknownCharacters
	readonly #pieces = new PieceTrie()

	static *of(spec: PieceSpec, model: UnigramModel, unknown: UnknownCharacters): Steps<Unigram> {
		const unigram = new Unigram(model, unknown)
		const beyond = idsBeyondModel(spec.addedTokens)
		yield* forEachInSteps(spec.vocab, (piece, id) => {
			const isUsed = model.scores[id]! > Number.NEGATIVE_INFINITY && id !== spec.unknownId
			if (piece !== '' && isUsed && !beyond.has(id)) unigram.#pieces.add(piece, id)
		})
		return unigram
	}

	private constructor(model: UnigramModel, unknown: UnknownCharacters) {
		this.#model = model
		this.#unknown = unknown
	}

	*encode(text: string): Steps<number[]> {
		const { scores, unknownScore, isSinglePrecision } = this.#model
		/** By end of a prefix: its best score, and the piece that ends it with its start. */
		const best = new Float64Array(text.length + 1).fill(Number.NEGATIVE_INFINITY)
		const ids = new Int32Array(text.length + 1)
		const starts = new Int32Array(text.length + 1)
		const isReached = new Uint8Array(text.length + 1)
		best[0] = 0
		isReached[0] = 1
		const offer = (start: number, end: number, id: number, score: number) => {
			const sum = best[start]! + score
			const rounded = isSinglePrecision ? Math.fround(sum) : sum
			if (isReached[end] === 1 && rounded <= best[end]!) return
			isReached[end] = 1
			best[end] = rounded
			ids[end] = id
			starts[end] = start
		}
		for (let start = 0, unit = 0; start < text.length; ) {
			const length = text.codePointAt(start)! > 0xffff ? 2 : 1
			let isKnown = false
			let node = 0
			for (let at = start; at < text.length; at++) {
				node = this.#pieces.step(node, text.charCodeAt(at))
				if (node < 0) break
				const id = this.#pieces.idAt(node)
				if (id >= 0) {
					offer(start, at + 1, id, scores[id]!)
					if (at + 1 - start === length) isKnown = true
				}
				if (++unit % STEP_UNITS === 0) yield
			}
			if (!isKnown) offer(start, start + length, UNKNOWN, unknownScore)
			start += length
		}
		return this.#collect(text, ids, starts)
	}

	#collect(text: string, ids: Int32Array, starts: Int32Array): number[] {
		const ends: number[] = []
		for (let end = text.length; end > 0; end = starts[end]!) ends.push(end)
		const found: number[] = []
		let isUnknown = false
		for (const end of ends.reverse()) {
			const id = ids[end]!
			if (id === UNKNOWN) this.#unknown.write(found, text.slice(starts[end]!, end), isUnknown)
			else found.push(id)
			isUnknown = id === UNKNOWN
		}
		return found
	}
}

/** Pieces by their UTF-16 units, in one flat map: a node costs tens of bytes. */
class PieceTrie {
	readonly #nodes = new Map<number, number>()
	/** By node: the piece that ends there, -1 = none. Node 0 has read nothing. */
	readonly #ids: number[] = [-1]

	/** Of two equal pieces the last counts. */
	add(piece: string, id: number): void {
		let node = 0
		for (let at = 0; at < piece.length; at++) {
			const key = node * UNITS + piece.charCodeAt(at)
			let next = this.#nodes.get(key)
			if (next === undefined) {
				next = this.#ids.length
				this.#nodes.set(key, next)
				this.#ids.push(-1)
			}
			node = next
		}
		this.#ids[node] = id
	}

	/** The node behind a unit; -1 when no piece goes on so. */
	step(node: number, unit: number): number {
		return this.#nodes.get(node * UNITS + unit) ?? -1
	}

	idAt(node: number): number {
		return this.#ids[node]!
	}
}
