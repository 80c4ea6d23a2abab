/** Messages as clients send them → messages as the chat template takes them. */
import type { ChatMessage } from '../text/chat-template.ts'
import { unsupportedValue } from '../wire/errors.ts'
import type { WireMessage } from './schemas/chat.ts'
import type { InputItem } from './schemas/responses.ts'

/** Parts are joined without a separator; an assistant that called a tool has no content. */
export function fromWireMessages(messages: readonly WireMessage[]): ChatMessage[] {
	return messages.map(({ role, content }) => ({ role, content: contentText(content ?? '') }))
}

/**
 * Items of a response's input. Results of functions are told like tool messages; that there was a
 * call, or a reasoning, the models cannot read. Throws ApiError 400 for references to stored items.
 */
export function fromInputItems(items: readonly InputItem[]): ChatMessage[] {
	return items.flatMap((item, index): ChatMessage[] => {
		if ('content' in item) return [{ role: item.role, content: contentText(item.content) }]
		if ('output' in item) return [{ role: 'tool', content: contentText(item.output) }]
		if (item.type === 'function_call' || item.type === 'reasoning') return []
		const reason =
			'the server stores no items: send the item itself, as clients do with `store: false`'
		throw unsupportedValue(`input[${index}]`, reason)
	})
}

/** Text of a content field. */
function contentText(content: string | readonly { readonly text: string }[]): string {
	return typeof content === 'string' ? content : content.map((part) => part.text).join('')
}
