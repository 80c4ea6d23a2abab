import type { ChatTemplateSource } from '../tokenizer/chat-template-source.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ChatMessage, ChatOptions } from './chat-message.ts'
import { endOfMessages, jinjaChatTemplate, renderChat } from './chat-template.ts'
import { renderNanochat } from './nanochat-chat.ts'
import type { Prompt } from './prompt.ts'
import { templatePrompt } from './template/template-prompt.ts'

/**
 * The prompt of a conversation: by the model's own template where it has one, else as our trainer's data has
 * it. Only as much of its end is read as `PROMPT_CHARACTERS_MAX` allows. Throws TemplateError.
 */
export async function chatPrompt(
	messages: readonly ChatMessage[],
	tokenizer: Tokenizer,
	options: ChatOptions = {},
): Promise<Prompt> {
	const template = ownTemplate(tokenizer)
	if (template !== null) return templatePrompt(messages, { tokenizer, template, options })
	const read = messages.filter((message) => message.isForTemplates !== true)
	const end = options.isWhole ? read : endOfMessages(read)
	return (await renderNanochat(end, tokenizer, options)) ?? renderChat(end, tokenizer, options)
}

/** How the model reads a conversation, in Jinja, for clients that render themselves; null = not known. */
export function chatTemplateText(tokenizer: Tokenizer): string | null {
	return ownTemplate(tokenizer)?.text ?? jinjaChatTemplate(tokenizer)
}

/** The model's own template; null = none. */
export function ownTemplate({ spec }: Tokenizer): ChatTemplateSource | null {
	return 'chatTemplate' in spec ? (spec.chatTemplate ?? null) : null
}
