/* Byte-pair encoding over bytes, as GPT-2 has it and most trainers since. */

import { forEachInSteps, type Steps } from '../lib/steps.ts'
import { idsBeyondModel } from './added-tokens.ts'
import { createNormalizer } from './normalizer.ts'
import { PairMerger } from './pair-merger.ts'
import { PipelineTokenizer, type TokenTexts } from './pipeline.ts'
import { createPreTokenizer } from './pre-tokenizer.ts'
import type { ByteBpeSpec, IncrementalDecoder, Tokenizer } from './tokenizer.ts'

/** The tokenizer of a verified spec. Cost: linear in vocabulary and merges. */
export function* createByteBpeTokenizer(spec: ByteBpeSpec): Steps<Tokenizer> {
	const model = yield* ByteBpe.of(spec)
	return yield* PipelineTokenizer.of(spec, {
		normalize: createNormalizer(
			spec.normalization === 'none' ? [] : [{ type: 'unicode', form: 'NFC' }],
		),
		split: yield* createPreTokenizer(spec.preTokenizer),
		encodePiece: (piece) => model.encode(Buffer.from(piece, 'utf8')),
		texts: new ByteTexts(spec),
	})
}

const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Tokens that are bytes. */
class ByteTexts implements TokenTexts {
	/** As the spec has them: by id, one character per byte. */
	readonly #bytes: readonly string[]
	readonly #hiddenIds: ReadonlySet<number>

	constructor({ vocab, addedTokens }: ByteBpeSpec) {
		this.#bytes = vocab
		const special = addedTokens.filter((token) => token.isSpecial)
		this.#hiddenIds = new Set(special.filter((token) => !token.isShown).map(({ id }) => id))
	}

	textOf(id: number): string {
		try {
			return STRICT_UTF8.decode(this.bytesOf(id))
		} catch {
			return ''
		}
	}

	bytesOf(id: number): Uint8Array {
		return Buffer.from(this.#bytes[id] ?? '', 'latin1')
	}

	createDecoder(): IncrementalDecoder {
		// Bytes that never become a character come out as U+FFFD, as the trainers' decoders have it.
		const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
		return {
			push: (id) => {
				if (this.#hiddenIds.has(id)) return ''
				return utf8.decode(this.bytesOf(id), { stream: true })
			},
			flush: () => utf8.decode(),
			isAfterWord: false,
		}
	}
}

class ByteBpe {
	/** Ids of single bytes; -1 where the vocabulary lacks one: it is left out. */
	readonly #byteIds: Int32Array
	readonly #merger: PairMerger
	/** Whole pieces that are tokens and need no merges to become one. */
	readonly #whole: ReadonlyMap<string, number> | null

	static *of({ vocab, merges, ignoresMerges, addedTokens }: ByteBpeSpec): Steps<ByteBpe> {
		const beyond = idsBeyondModel(addedTokens)
		const ids = new Map<string, number>()
		yield* forEachInSteps(vocab, (bytes, id) => {
			if (bytes !== '' && !beyond.has(id)) ids.set(bytes, id)
		})
		const merger = new PairMerger(vocab.length)
		yield* forEachInSteps(merges, (merge, rank) => {
			if (!beyond.has(merge[2])) merger.add(...merge, rank)
		})
		return new ByteBpe(ids, merger, ignoresMerges)
	}

	private constructor(
		ids: ReadonlyMap<string, number>,
		merger: PairMerger,
		ignoresMerges: boolean,
	) {
		this.#byteIds = Int32Array.from({ length: 256 }, (_, byte) => {
			return ids.get(String.fromCharCode(byte)) ?? -1
		})
		this.#merger = merger
		this.#whole = ignoresMerges ? ids : null
	}

	*encode(bytes: Buffer): Steps<number[]> {
		const whole = this.#whole?.get(bytes.toString('latin1'))
		if (whole !== undefined) return [whole]
		const tokens: number[] = []
		for (const byte of bytes) {
			const id = this.#byteIds[byte]!
			if (id >= 0) tokens.push(id)
		}
		return yield* this.#merger.merge(tokens)
	}
}
