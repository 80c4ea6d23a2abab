import { expect, test } from 'bun:test'
import { finish } from '../../src/lib/steps.ts'
import { toPrompts } from '../../src/openai/completion-request.ts'
import { toCompletion } from '../../src/openai/completion-response.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'

const head = { id: 'cmpl-1', created: 1, model: 'm', systemFingerprint: 'fp_1' }

test('a token without a visible text stands where the one before it ends', () => {
	const vocab = ['', ' ', 'so', '\n']
	const spec = { type: 'word', vocab, merges: [], specialTokens: [], mergeOrder: 'plain' } as const
	const tokenizer = createTokenizer(spec)
	const prompts = [{ text: 'so so', tokenIds: [2, 0, 2, 1], prefixTokens: 0 }]
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
		tokenIds: [],
	} as const
	const options = {
		prompts,
		n: 1,
		echo: true,
		logprobs: 0,
		promptLogprobs: null,
		tokenIds: false,
		tokenizer,
	}
	const { choices } = finish(toCompletion(head, [{ ...result, choices: [choice] }], options))
	expect(choices[0]!.logprobs!.text_offset).toEqual([0, 2, 2, 5])
})

test('what the tokenizer puts before a text is among the tokens of an echo, not in its text', async () => {
	const spec = {
		type: 'char',
		vocab: ['a', 'b', '^'],
		merges: [],
		specialTokens: [],
		mergeOrder: 'plain',
	} as const
	const tokenizer = { ...createTokenizer(spec), promptPrefix: [2] }
	const prompts = await toPrompts('ab', { tokenizer, vocabSize: 3, param: 'prompt' })
	const choice = {
		text: 'b',
		tokens: [
			{ tokenId: 1, logprob: { logprob: -1, rank: 1, top: [] }, offset: 0, isAfterWord: true },
		],
		finishReason: 'length',
		completionTokens: 1,
		stopToken: null,
		tokenIds: [],
	} as const
	const prompt = { promptTokenIds: [2, 0, 1], promptTokens: 3, cachedTokens: 0 }
	const options = {
		prompts,
		n: 1,
		echo: true,
		logprobs: 0,
		promptLogprobs: null,
		tokenIds: false,
		tokenizer,
	}
	const { choices } = finish(
		toCompletion(head, [{ ...prompt, promptLogprobs: null, choices: [choice] }], options),
	)
	expect(choices[0]!.text).toBe('abb')
	expect(choices[0]!.logprobs).toMatchObject({
		tokens: ['^', 'a', 'b', 'b'],
		text_offset: [0, 0, 1, 2],
	})
})
