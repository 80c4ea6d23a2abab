/** Requests and answers of /tokenize and /detokenize. */
import { renderChat } from '../tokenizer/chat-template.ts'
import { endOfMessages } from '../tokenizer/prompt-end.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { toChatMessages } from './messages.ts'
import type { TokenizeRequest } from './schemas/tokenize.ts'

/** Token ids of a text or a conversation. */
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
	if ('messages' in body)
		return renderChat(endOfMessages(toChatMessages(body.messages)), tokenizer).tokenIds
	return tokenizer.encode('prompt' in body ? body.prompt : body.content)
}
