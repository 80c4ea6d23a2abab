/**
 * Encoding takes time on the thread that serves sockets, and a model reads only the end of a long
 * prompt. So only an end that is far longer than any context is encoded: for the tokens that are
 * read it makes no difference.
 */
import type { GenerationRequest } from '../engine/generation.ts'
import type { ChatMessage } from './chat-template.ts'

/** Characters of a prompt that are encoded. */
export const promptCharactersMax = 128 * 1024

/** The end of a text. */
export function endOfText(text: string): string {
	return text.length <= promptCharactersMax ? text : text.slice(-promptCharactersMax)
}

/** The last messages, the first of them cut if need be. */
export function endOfMessages(messages: readonly ChatMessage[]): readonly ChatMessage[] {
	let room = promptCharactersMax
	for (let i = messages.length - 1; i >= 0; i--) {
		const message = messages[i]!
		room -= message.content.length
		if (room > 0) continue
		const content = message.content.slice(-(message.content.length + room))
		return [{ role: message.role, content }, ...messages.slice(i + 1)]
	}
	return messages
}

/** A prompt that may be empty: generation then starts from a token that counts for nothing. */
export function promptOrStart(
	tokenIds: readonly number[],
	startTokenId: number,
): Pick<GenerationRequest, 'promptTokenIds' | 'promptIsStartToken'> {
	return tokenIds.length === 0
		? { promptTokenIds: [startTokenId], promptIsStartToken: true }
		: { promptTokenIds: tokenIds, promptIsStartToken: false }
}
