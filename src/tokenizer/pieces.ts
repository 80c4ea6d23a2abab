/* Tokens that are pieces of text: SentencePiece's, and what other tools made like them. */
import { assertNever } from '../lib/assert.ts'
import type { Steps } from '../lib/steps.ts'
import { createNormalizer } from './normalizer.ts'
import { PieceBpe } from './piece-bpe.ts'
import { pieceIds } from './piece-ids.ts'
import { PieceTexts } from './piece-texts.ts'
import { PipelineTokenizer } from './pipeline.ts'
import { createPreTokenizer } from './pre-tokenizer.ts'
import type { PieceSpec, Tokenizer } from './tokenizer.ts'
import { Unigram } from './unigram.ts'
import { UnknownCharacters } from './unknown-characters.ts'

/** The tokenizer of a verified spec. Cost: linear in vocabulary and merges. */
export function* createPieceTokenizer(spec: PieceSpec): Steps<Tokenizer> {
	const ids = yield* pieceIds(spec)
	const isolated = isolatedIds(spec, ids)
	const encode = yield* createModel(spec, ids)
	const normalize = createNormalizer(spec.normalizer)
	return yield* PipelineTokenizer.of(spec, {
		normalize,
		split: yield* createPreTokenizer(spec.preTokenizer),
		encodePiece(piece) {
			const id = isolated.get(piece)
			return id === undefined ? encode(piece) : [id]
		},
		texts: yield* PieceTexts.of(spec, normalize),
	})
}

type PieceEncoder = (piece: string) => readonly number[] | Steps<number[]>

function* createModel(spec: PieceSpec, ids: ReadonlyMap<string, number>): Steps<PieceEncoder> {
	const { model } = spec
	const unknown = new UnknownCharacters(spec)
	switch (model.type) {
		case 'bpe': {
			const bpe = yield* PieceBpe.of(spec, model, ids, unknown)
			return (piece) => bpe.encode(piece)
		}
		case 'unigram': {
			const unigram = yield* Unigram.of(spec, model, unknown)
			return (piece) => unigram.encode(piece)
		}
		case 'word':
			return (piece) => {
				const id = ids.get(piece)
				return id === undefined ? unknown.word() : [id]
			}
		default:
			return assertNever(model)
	}
}

/** Ids of the pieces that are tokens whatever stands around them. */
function isolatedIds(
	spec: PieceSpec,
	ids: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
	const texts = spec.preTokenizer.flatMap((stage) => (stage.type === 'isolate' ? stage.texts : []))
	return new Map(texts.map((text) => [text, ids.get(text)!]))
}
