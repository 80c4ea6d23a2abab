import { expect, test } from 'bun:test'
import { toCompletion } from '../../src/openai/completion-response.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'

const head = { id: 'cmpl-1', created: 1, model: 'm', systemFingerprint: 'fp_1' }

test('a token without a visible text stands where the one before it ends', () => {
	const vocab = ['', ' ', 'so', '\n']
	const spec = { type: 'word', vocab, merges: [], specialTokens: [], mergeOrder: 'plain' } as const
	const tokenizer = createTokenizer(spec)
	const prompts = [{ text: 'so so', tokenIds: [2, 0, 2, 1] }]
	const result = {
		promptTokenIds: [2, 0, 2, 1],
		promptTokens: 4,
		cachedTokens: 0,
		promptLogprobs: null,
	}
	const choice = {
		text: '',
		tokens: [],
		finishReason: 'length',
		completionTokens: 0,
		stopToken: null,
	} as const
	const options = { prompts, n: 1, echo: true, logprobs: 0, promptLogprobs: null, tokenizer }
	const { choices } = toCompletion(head, [{ ...result, choices: [choice] }], options)
	expect(choices[0]!.logprobs!.text_offset).toEqual([0, 2, 2, 5])
})
