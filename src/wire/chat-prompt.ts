import type { ChatMessage, ChatOptions } from '../text/chat-message.ts'
import { chatPrompt } from '../text/chat-prompt.ts'
import type { Prompt } from '../text/prompt.ts'
import { TemplateError } from '../text/template/template-error.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { chatTemplateFailed } from './errors.ts'

/** The prompt of a request's conversation, which stands in the field `param`. Throws ApiError 400. */
export async function promptOfChat(
	messages: readonly ChatMessage[],
	tokenizer: Tokenizer,
	{ param, ...options }: ChatOptions & { readonly param: string },
): Promise<Prompt> {
	try {
		return await chatPrompt(messages, tokenizer, options)
	} catch (error) {
		if (!(error instanceof TemplateError)) throw error
		throw chatTemplateFailed(param, error.message)
	}
}
