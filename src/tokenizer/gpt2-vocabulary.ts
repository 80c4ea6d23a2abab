/** GPT-2's own vocabulary, for models whose trainer names none. */
import gpt2 from 'js-tiktoken/ranks/gpt2'
import { BYTE_LEVEL_EXPRESSION } from './pre-tokenizer.ts'
import { byteBpeOfRanks } from './tiktoken.ts'
import type { ByteBpeSpec } from './tokenizer.ts'

/** The token that ends a document. */
const END = '<|endoftext|>'

export const GPT2_VOCAB_SIZE = 50_257

let spec: ByteBpeSpec | undefined

/** Made when it is first needed, which takes some 200 ms. */
export function gpt2Tokenizer(): ByteBpeSpec {
	spec ??= create()
	return spec
}

/** The package has lines of base64 tokens, each headed by a mark and the rank of its first token. */
function create(): ByteBpeSpec {
	const ranks = new Map<string, number>()
	for (const line of gpt2.bpe_ranks.split('\n')) {
		const [, first, ...tokens] = line.split(' ')
		for (const [i, token] of tokens.entries()) {
			ranks.set(Buffer.from(token, 'base64').toString('latin1'), Number(first) + i)
		}
	}
	const end = gpt2.special_tokens[END]!
	return byteBpeOfRanks({
		ranks,
		specialTokens: new Map([[END, end]]),
		expression: BYTE_LEVEL_EXPRESSION,
		promptPrefix: [],
		endTokenIds: [end],
	})
}
