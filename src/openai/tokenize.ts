/** Requests and answers of /tokenize, /detokenize and /tokenizer_info. */
import { inSlices, STEP_UNITS, type Steps } from '../lib/steps.ts'
import { chatTemplateText } from '../text/chat-prompt.ts'
import { encodeText } from '../text/encode.ts'
import { tokenLabel } from '../text/token-label.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { promptOfChat } from '../wire/chat-prompt.ts'
import { invalidValue, missingParameter, unsupportedParameter } from '../wire/errors.ts'
import { toChatOptions } from './chat-options.ts'
import { tokenizeCharactersMax } from './limits.ts'
import { fromWireMessages } from './messages.ts'
import { checkTokenIds } from './sampling.ts'
import type { Detokenized, Tokenized, TokenizeRequest, TokenizerInfo } from './schemas/tokenize.ts'

/** Token ids of a text or a conversation. Throws ApiError 400. */
export async function toTokenized(
	body: TokenizeRequest,
	tokenizer: Tokenizer,
	contextLength: number,
): Promise<Tokenized> {
	const tokens = [...(await tokenize(body, tokenizer))]
	return {
		count: tokens.length,
		max_model_len: contextLength,
		tokens,
		token_strs: body.return_token_strs ? await inSlices(labelsOf(tokens, tokenizer)) : null,
	}
}

function* labelsOf(tokens: readonly number[], tokenizer: Tokenizer): Steps<string[]> {
	const labels: string[] = []
	for (const id of tokens) {
		labels.push(tokenLabel(tokenizer, id))
		if (labels.length % STEP_UNITS === 0) yield
	}
	return labels
}

/** What the tokenizer reserves, and how the model reads a conversation. */
export function toTokenizerInfo(tokenizer: Tokenizer, contextLength: number): TokenizerInfo {
	const [first = null] = tokenizer.promptPrefix
	const [end = null] = tokenizer.endTokenIds
	return {
		tokenizer_class: tokenizerClasses[tokenizer.spec.type],
		bos_token: first === null ? null : tokenizer.tokenText(first),
		eos_token: end === null ? null : tokenizer.tokenText(end),
		pad_token: null,
		unk_token: null,
		additional_special_tokens: [...tokenizer.spec.specialTokens],
		add_bos_token: first !== null,
		add_eos_token: false,
		model_max_length: contextLength,
		chat_template: chatTemplateText(tokenizer),
	}
}

const tokenizerClasses = {
	bpe: 'BpeTokenizer',
	char: 'CharTokenizer',
	word: 'WordTokenizer',
	'byte-bpe': 'ByteBpeTokenizer',
	pieces: 'PieceTokenizer',
} as const

/** Text of token ids, under both names that clients look for. Throws ApiError 400. */
export function toDetokenized(
	tokens: readonly number[],
	{ tokenizer, vocabSize }: { tokenizer: Tokenizer; vocabSize: number },
): Detokenized {
	checkTokenIds(tokens, 'tokens', vocabSize)
	const prompt = tokenizer.decode(tokens)
	return { prompt, content: prompt }
}

async function tokenize(body: TokenizeRequest, tokenizer: Tokenizer): Promise<readonly number[]> {
	const [field, other] = (['prompt', 'content', 'messages'] as const).filter(
		(name) => body[name] !== undefined,
	)
	if (field === undefined) throw missingParameter('prompt')
	if (other !== undefined) throw unsupportedParameter(field, `It does not go with '${other}'.`)
	if (body.messages === undefined) {
		const ids = await encodeText(body.prompt ?? body.content ?? '', tokenizer, 'read')
		return (body.add_special_tokens ?? true) ? [...tokenizer.promptPrefix, ...ids] : ids
	}
	const messages = fromWireMessages(body.messages)
	const characters = messages.reduce((sum, { content }) => sum + content.length, 0)
	if (characters > tokenizeCharactersMax) {
		throw invalidValue('messages', `at most ${tokenizeCharactersMax} characters`, characters)
	}
	const { tokenIds } = await promptOfChat(messages, tokenizer, {
		...toChatOptions(body),
		isWhole: true,
		param: 'messages',
	})
	return tokenIds
}
