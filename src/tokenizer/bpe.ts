import { finish, forEachInSteps, STEP_UNITS, type Steps } from '../lib/steps.ts'
import { MergeQueue } from './merge-queue.ts'
import { SpecialTokenMatcher } from './special-token-matcher.ts'
import type { Tokenizer, TrainerTokenizerSpec } from './tokenizer.ts'
import { Vocabulary } from './vocabulary.ts'

/** The token that ends a text of the trainer's data. */
export const END_OF_TEXT = '<|end_of_text|>'

/** The trainer's encoder gives its queue room for this many entries beyond the text's tokens. */
const QUEUE_SPARE_ENTRIES = 1_000_000

/**
 * Byte-pair encoding over code points with reserved tokens, O(n log n).
 *
 * `plain` is defined as one left-to-right pass per merge in rank order. Taking pairs by
 * (rank, position) gives the same ids: a merge only refers to ids below the one it makes (the spec is
 * verified), so a pair that a merge brings about has a higher rank, and when the first pair of a rank
 * is taken all pairs of that rank are already queued.
 */
export function* createBpeTokenizer(spec: TrainerTokenizerSpec): Steps<Tokenizer> {
	const vocabulary = yield* Vocabulary.of(spec.vocab)
	const merges = yield* MergeTable.of(spec)
	const scan = yield* createScanner(spec, vocabulary)
	const encodeSteps = function* (text: string, reserved: 'read' | 'plain'): Steps<number[]> {
		const ids = scan(text, reserved === 'read')
		yield
		return yield* merges.apply(ids)
	}
	const end = spec.specialTokens.includes(END_OF_TEXT) ? vocabulary.idOf(END_OF_TEXT) : undefined

	return {
		spec,
		encode: (text) => finish(encodeSteps(text, 'read')),
		encodePlain: (text) => finish(encodeSteps(text, 'plain')),
		encodeSteps,
		decode: (ids) => vocabulary.join(ids),
		tokenText: (id) => vocabulary.textOf(id),
		tokenBytes: (id) => vocabulary.bytesOf(id),
		promptPrefix: [],
		endTokenIds: end === undefined ? [] : [end],
		specialTokenId: (text) =>
			spec.specialTokens.includes(text) ? vocabulary.idOf(text) : undefined,
		startTokenId: vocabulary.startTokenId,
		createDecoder: () => vocabulary.createJoiningDecoder(),
	}
}

type Scanner = (text: string, readsSpecialTokens: boolean) => number[]

/** Step 1: text to ids of characters and reserved tokens, in one scan from the left. */
function* createScanner(spec: TrainerTokenizerSpec, vocabulary: Vocabulary): Steps<Scanner> {
	const idByCodePoint = yield* vocabulary.codePointIds()
	const { specialTokens } = spec
	const specialIds = specialTokens.map((text) => vocabulary.idOf(text)!)
	const matcher = yield* SpecialTokenMatcher.of(specialTokens)

	return (text, readsSpecialTokens) => {
		const ids: number[] = []
		const specials = readsSpecialTokens && specialTokens.length > 0 ? matcher.find(text) : null
		for (let at = 0; at < text.length; ) {
			const special = specials?.[at] ?? -1
			if (special !== -1) {
				ids.push(specialIds[special]!)
				at += specialTokens[special]!.length
				continue
			}
			const codePoint = text.codePointAt(at)!
			at += codePoint > 0xffff ? 2 : 1
			const id = idByCodePoint[codePoint] ?? -1
			if (id >= 0) ids.push(id)
		}
		return ids
	}
}

/** Step 2: the merges, with the rank of every mergeable pair. */
class MergeTable {
	readonly #order: 'plain' | 'queue'
	readonly #vocabSize: number
	/** Id that merge 0 makes; merge `rank` makes `firstResult + rank`. */
	readonly #firstResult: number
	readonly #ranks = new Map<number, number>()

	private constructor(spec: TrainerTokenizerSpec) {
		this.#order = spec.mergeOrder
		this.#vocabSize = spec.vocab.length
		this.#firstResult = spec.vocab.length - spec.merges.length
	}

	static *of(spec: TrainerTokenizerSpec): Steps<MergeTable> {
		const table = new MergeTable(spec)
		yield* forEachInSteps(spec.merges, ([left, right], rank) => {
			const pair = table.#pairKey(left, right)
			// The first merge of a pair leaves none for a later one.
			if (!table.#ranks.has(pair)) table.#ranks.set(pair, rank)
		})
		return table
	}

	/** Ids after all merges; `ids` is used up. */
	*apply(ids: number[]): Steps<number[]> {
		if (this.#ranks.size === 0 || ids.length < 2) return ids
		const tokens = Int32Array.from(ids)
		const next = new Int32Array(tokens.length)
		const previous = new Int32Array(tokens.length)
		const queue = new MergeQueue(this.#queueCapacity(tokens.length), this.#order)
		for (let at = 0; at < tokens.length; at++) {
			next[at] = at + 1
			previous[at] = at - 1
			this.#queuePair(queue, tokens, at, at + 1)
			if (at % STEP_UNITS === 0) yield
		}
		for (let unit = 1; !queue.isEmpty; unit++) {
			if (unit % STEP_UNITS === 0) yield
			const rank = queue.topRank
			const at = queue.pop()
			const right = next[at]!
			if (tokens[at]! < 0 || this.#rankOf(tokens, at, right) !== rank) continue
			tokens[at] = this.#firstResult + rank
			tokens[right] = -1
			const after = next[right]!
			next[at] = after
			if (after < tokens.length) previous[after] = at
			this.#queuePair(queue, tokens, previous[at]!, at)
			this.#queuePair(queue, tokens, at, after)
		}
		let length = 0
		for (let at = 0; at < tokens.length; at = next[at]!) ids[length++] = tokens[at]!
		ids.length = length
		return ids
	}

	/** Each merge takes one entry and adds two at most, so 2n is enough; `queue` may have less. */
	#queueCapacity(tokenCount: number): number {
		const enough = 2 * tokenCount
		return this.#order === 'plain' ? enough : Math.min(enough, tokenCount + QUEUE_SPARE_ENTRIES)
	}

	#queuePair(queue: MergeQueue, tokens: Int32Array, left: number, right: number): void {
		const rank = this.#rankOf(tokens, left, right)
		if (rank !== undefined) queue.push(rank, left)
	}

	#rankOf(tokens: Int32Array, left: number, right: number): number | undefined {
		if (left < 0 || right >= tokens.length) return undefined
		return this.#ranks.get(this.#pairKey(tokens[left]!, tokens[right]!))
	}

	#pairKey(left: number, right: number): number {
		return left * this.#vocabSize + right
	}
}
