/** Messages as clients send them → messages as the chat template takes them. */
import type { ChatMessage } from '../text/chat-template.ts'
import type { WireMessage } from './schemas/chat.ts'

/** Parts are joined without a separator; an assistant that called a tool has no content. */
export function fromWireMessages(messages: readonly WireMessage[]): ChatMessage[] {
	return messages.map(({ role, content }) => ({ role, content: contentText(content ?? '') }))
}

/** Text of a content field. */
export function contentText(content: string | readonly { readonly text: string }[]): string {
	return typeof content === 'string' ? content : content.map((part) => part.text).join('')
}
