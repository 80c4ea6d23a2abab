/** Requests and answers of /tokenize and /detokenize. */
import { missingParameter } from '../lib/api-errors.ts'
import { renderChat } from '../tokenizer/chat-template.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { toChatMessages } from './messages.ts'
import type { TokenizeRequest } from './schemas/tokenize.ts'

/** Token ids of a text or a conversation. Throws ApiError 400 when there is neither. */
export function toTokenized(body: TokenizeRequest, tokenizer: Tokenizer, contextLength: number) {
	const tokens = tokenize(body, tokenizer)
	return {
		count: tokens.length,
		max_model_len: contextLength,
		tokens,
		token_strs: body.return_token_strs ? tokens.map((id) => tokenizer.tokenText(id)) : null,
	}
}

/** Text of token ids, under both names that clients look for. */
export function toDetokenized(tokens: readonly number[], tokenizer: Tokenizer) {
	const prompt = tokenizer.decode(tokens)
	return { prompt, content: prompt }
}

function tokenize(body: TokenizeRequest, tokenizer: Tokenizer): readonly number[] {
	if (body.messages !== undefined) {
		return renderChat(toChatMessages(body.messages), tokenizer).tokenIds
	}
	const text = body.prompt ?? body.content
	if (text === undefined) throw missingParameter('prompt')
	return tokenizer.encode(text)
}
