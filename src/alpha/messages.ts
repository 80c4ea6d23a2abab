/** Messages of useChat, old and new → messages as the chat template takes them. */
import type { ChatMessage } from '../text/chat-template.ts'
import type { UiMessage } from './schemas/chat.ts'

/**
 * A message has `content` (older SDKs, plain clients), or `parts` of which the texts count. Where
 * both are given, `content` is the message and `parts` repeats it.
 */
export function toChatMessages(messages: readonly UiMessage[]): ChatMessage[] {
	return messages.map(({ role, content, parts }) => {
		if (typeof content === 'string') return { role, content }
		const texts = (content ?? parts ?? []).map((part) =>
			part.type === 'text' ? (part.text ?? '') : '',
		)
		return { role, content: texts.join('') }
	})
}
