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
export function createPieceTokenizer(spec: PieceSpec): Tokenizer {
	const isolated = isolatedIds(spec)
	const encode = createModel(spec)
	return new PipelineTokenizer(spec, {
		normalize: createNormalizer(spec.normalizer),
		split: createPreTokenizer(spec.preTokenizer),
		encodePiece(piece) {
			const id = isolated.get(piece)
			return id === undefined ? encode(piece) : [id]
		},
		texts: new PieceTexts(spec),
	})
}

type PieceEncoder = (piece: string) => readonly number[] | Steps<number[]>

function createModel(spec: PieceSpec): PieceEncoder {
	const { model } = spec
	const unknown = new UnknownCharacters(spec)
	switch (model.type) {
		case 'bpe': {
			const bpe = new PieceBpe(spec, model, unknown)
			return (piece) => bpe.encode(piece)
		}
		case 'unigram': {
			const unigram = new Unigram(spec, model, unknown)
			return (piece) => unigram.encode(piece)
		}
		case 'word': {
			const ids = pieceIds(spec)
			return (piece) => {
				const id = ids.get(piece)
				return id === undefined ? unknown.word() : [id]
			}
		}
		default:
			return assertNever(model)
	}
}

/** Ids of the pieces that are tokens whatever stands around them. */
function isolatedIds(spec: PieceSpec): Map<string, number> {
	const ids = pieceIds(spec)
	const texts = spec.preTokenizer.flatMap((stage) => (stage.type === 'isolate' ? stage.texts : []))
	return new Map(texts.map((text) => [text, ids.get(text)!]))
}
