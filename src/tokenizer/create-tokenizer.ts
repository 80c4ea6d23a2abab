import { assertNever } from '../lib/assert.ts'
import { finish, type Steps } from '../lib/steps.ts'
import { createBpeTokenizer } from './bpe.ts'
import { createByteBpeTokenizer } from './byte-bpe.ts'
import { createCharTokenizer } from './char.ts'
import { createPieceTokenizer } from './pieces.ts'
import type { Tokenizer, TokenizerSpec } from './tokenizer.ts'
import { createWordTokenizer } from './word.ts'

/** The tokenizer of a verified spec (see `parseTokenizerSpec`). Cost: linear in the vocabulary. */
export function createTokenizer(spec: TokenizerSpec): Tokenizer {
	return finish(createTokenizerSteps(spec))
}

/** The same in steps: large vocabularies would keep others waiting. */
export function createTokenizerSteps(spec: TokenizerSpec): Steps<Tokenizer> {
	switch (spec.type) {
		case 'bpe':
			return createBpeTokenizer(spec)
		case 'char':
			return createCharTokenizer(spec)
		case 'word':
			return createWordTokenizer(spec)
		case 'byte-bpe':
			return createByteBpeTokenizer(spec)
		case 'pieces':
			return createPieceTokenizer(spec)
		default:
			return assertNever(spec)
	}
}
