/*
 * Byte-pair encoding over bytes, as GPT-2 has it and most trainers since: added tokens are found first,
 * what lies between is normalised and cut into pieces, and within each piece pairs merge by rank.
 */
import { AddedTokenFinder } from './added-tokens.ts'
import { type EncodeSteps, finishSteps, STEP_UNITS } from './encode-steps.ts'
import { MergeQueue } from './merge-queue.ts'
import { createPreTokenizer, type PreTokenizer } from './pre-tokenizer.ts'
import type { ByteBpeSpec, IncrementalDecoder, Tokenizer } from './tokenizer.ts'

/** Pieces whose ids are remembered; a text repeats its words. */
const CACHED_PIECES_MAX = 2 ** 15
/** Longest piece that is remembered, in UTF-16 units. */
const CACHED_LENGTH_MAX = 64

/** The tokenizer of a verified spec. Cost: linear in vocabulary and merges. */
export function createByteBpeTokenizer(spec: ByteBpeSpec): Tokenizer {
	return new ByteBpeTokenizer(spec)
}

class ByteBpeTokenizer implements Tokenizer {
	readonly spec: ByteBpeSpec
	readonly promptPrefix: readonly number[]
	readonly endTokenIds: readonly number[]
	readonly startTokenId: number
	readonly #all: AddedTokenFinder
	readonly #ordinary: AddedTokenFinder
	readonly #split: PreTokenizer
	readonly #merger: PieceMerger
	readonly #cache = new Map<string, readonly number[]>()
	readonly #bytes: readonly Uint8Array[]
	readonly #specialIds: ReadonlySet<number>

	constructor(spec: ByteBpeSpec) {
		this.spec = spec
		this.promptPrefix = spec.promptPrefix
		this.endTokenIds = spec.endTokenIds
		this.#all = new AddedTokenFinder(spec.addedTokens)
		this.#ordinary = new AddedTokenFinder(spec.addedTokens.filter((token) => !token.isSpecial))
		this.#split = createPreTokenizer(spec.preTokenizer)
		this.#merger = new PieceMerger(spec)
		this.#bytes = spec.vocab.map((bytes) => Buffer.from(bytes, 'latin1'))
		const special = spec.addedTokens.filter((token) => token.isSpecial)
		this.#specialIds = new Set(special.map(({ id }) => id))
		const newline = Math.max(0, spec.vocab.indexOf('\n'))
		this.startTokenId = spec.promptPrefix[0] ?? spec.endTokenIds[0] ?? newline
	}

	encode(text: string): number[] {
		return finishSteps(this.encodeSteps(text, 'read'))
	}

	encodePlain(text: string): number[] {
		return finishSteps(this.encodeSteps(text, 'plain'))
	}

	*encodeSteps(text: string, reserved: 'read' | 'plain'): EncodeSteps {
		const finder = reserved === 'read' ? this.#all : this.#ordinary
		const ids: number[] = []
		let unit = 0
		for (const segment of finder.segments(text.toWellFormed())) {
			if ('id' in segment) {
				ids.push(segment.id)
				continue
			}
			const { normalization } = this.spec
			const normal = normalization === 'none' ? segment.text : segment.text.normalize('NFC')
			for (const piece of this.#split(normal)) {
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

	tokenText(id: number): string {
		const bytes = this.#bytes[id]
		if (bytes === undefined) return ''
		try {
			return STRICT_UTF8.decode(bytes)
		} catch {
			return ''
		}
	}

	tokenBytes(id: number): Uint8Array {
		return this.#bytes[id] ?? NO_BYTES
	}

	specialTokenId(text: string): number | undefined {
		return this.spec.addedTokens.find((token) => token.isSpecial && token.text === text)?.id
	}

	createDecoder(): IncrementalDecoder {
		// Bytes that never become a character come out as U+FFFD, as the trainers' decoders have it.
		const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
		return {
			push: (id) => {
				if (this.#specialIds.has(id)) return ''
				return utf8.decode(this.tokenBytes(id), { stream: true })
			},
			flush: () => utf8.decode(),
			isAfterWord: false,
		}
	}

	*#encodePiece(piece: string): EncodeSteps {
		const ids = yield* this.#merger.merge(Buffer.from(piece, 'utf8'))
		if (piece.length <= CACHED_LENGTH_MAX) {
			if (this.#cache.size === CACHED_PIECES_MAX) this.#cache.clear()
			this.#cache.set(piece, ids)
		}
		return ids
	}
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const NO_BYTES = new Uint8Array(0)

/** Merges the bytes of a piece: the pair of the lowest rank first, of equal ones the leftmost. */
class PieceMerger {
	readonly #vocabSize: number
	/** Ids of single bytes; -1 where the vocabulary lacks one: it is left out. */
	readonly #byteIds: Int32Array
	/** Rank by pair, and the id that each rank makes. */
	readonly #ranks = new Map<number, number>()
	readonly #results: Int32Array
	/** Whole pieces that are tokens and need no merges to become one. */
	readonly #whole: ReadonlyMap<string, number> | null

	constructor({ vocab, merges, ignoresMerges }: ByteBpeSpec) {
		this.#vocabSize = vocab.length
		const ids = new Map<string, number>()
		for (const [id, bytes] of vocab.entries()) if (bytes !== '') ids.set(bytes, id)
		this.#byteIds = Int32Array.from({ length: 256 }, (_, byte) => {
			return ids.get(String.fromCharCode(byte)) ?? -1
		})
		this.#results = Int32Array.from(merges, ([, , result]) => result)
		for (const [rank, [left, right]] of merges.entries()) {
			const pair = this.#pairKey(left, right)
			if (!this.#ranks.has(pair)) this.#ranks.set(pair, rank)
		}
		this.#whole = ignoresMerges ? ids : null
	}

	*merge(bytes: Buffer): EncodeSteps {
		const whole = this.#whole?.get(bytes.toString('latin1'))
		if (whole !== undefined) return [whole]
		const tokens: number[] = []
		for (const byte of bytes) {
			const id = this.#byteIds[byte]!
			if (id >= 0) tokens.push(id)
		}
		return tokens.length < 2 ? tokens : yield* this.#mergeAll(tokens)
	}

	*#mergeAll(tokens: number[]): EncodeSteps {
		const next = new Int32Array(tokens.length)
		const previous = new Int32Array(tokens.length)
		// Each merge takes one entry and adds two at most.
		const queue = new MergeQueue(2 * tokens.length, 'plain')
		const offer = (left: number, right: number) => {
			if (left < 0 || right >= tokens.length) return
			const rank = this.#ranks.get(this.#pairKey(tokens[left]!, tokens[right]!))
			if (rank !== undefined) queue.push(rank, left)
		}
		for (let at = 0; at < tokens.length; at++) {
			next[at] = at + 1
			previous[at] = at - 1
			offer(at, at + 1)
			if ((at + 1) % STEP_UNITS === 0) yield
		}
		for (let unit = 1; !queue.isEmpty; unit++) {
			if (unit % STEP_UNITS === 0) yield
			const rank = queue.topRank
			const at = queue.pop()
			const right = next[at]!
			// An entry whose tokens have merged otherwise since is stale.
			if (tokens[at]! < 0 || right >= tokens.length) continue
			if (this.#ranks.get(this.#pairKey(tokens[at]!, tokens[right]!)) !== rank) continue
			tokens[at] = this.#results[rank]!
			tokens[right] = -1
			const after = next[right]!
			next[at] = after
			if (after < tokens.length) previous[after] = at
			offer(previous[at]!, at)
			offer(at, after)
		}
		return tokens.filter((token) => token >= 0)
	}

	#pairKey(left: number, right: number): number {
		return left * this.#vocabSize + right
	}
}
