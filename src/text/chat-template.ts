import type { Tokenizer } from '../tokenizer/tokenizer.ts'

export type ChatRole = 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'function'

export interface ChatMessage {
	readonly role: ChatRole
	readonly content: string
}

/** A conversation as the model reads it. */
export interface RenderedChat {
	readonly tokenIds: readonly number[]
	/** Ids that end the assistant's turn. */
	readonly stopTokenIds: readonly number[]
	/** The reply starts with the blank that follows a role; `TextStream` drops it. */
	readonly skipsLeadingBlank: boolean
}

const END_OF_TEXT = '<|end_of_text|>'
const USER = '<|user|>'
const ASSISTANT = '<|assistant|>'

/**
 * Messages → prompt, ready for the assistant's reply.
 *
 * A tokenizer that reserves the three chat tokens was trained on conversations of the form
 * `<|user|> Hello. <|assistant|> Hi. <|user|> Bye. <|assistant|> Bye. <|end_of_text|>\n`: one blank
 * on each side of a text, the end token only after the last turn. The prompt ends with `<|assistant|>`
 * without a blank, because the blank is a part of the reply's first token. The format knows two
 * sides: system, developer, user, tool and function texts belong to the user's, and neighbouring
 * messages of one side share a turn, joined by a blank. Whatever role token comes next ends the
 * reply, not only the end token.
 *
 * Other models get the contents joined by newlines, whatever the roles.
 *
 * A last message of the assistant is continued in both forms: nothing is put after it. Contents are
 * always read as ordinary characters, so that no message can forge a turn; who wants to write
 * reserved tokens uses a text completion.
 */
export function renderChat(messages: readonly ChatMessage[], tokenizer: Tokenizer): RenderedChat {
	const user = tokenizer.specialTokenId(USER)
	const assistant = tokenizer.specialTokenId(ASSISTANT)
	const end = tokenizer.specialTokenId(END_OF_TEXT)
	if (user === undefined || assistant === undefined || end === undefined) {
		const text = messages.map(({ content }) => content).join('\n')
		const tokenIds = tokenizer.encodePlain(text)
		const stopTokenIds = endTokenIds(tokenizer)
		return { tokenIds, stopTokenIds, skipsLeadingBlank: false }
	}

	const turns = toTurns(messages)
	const last = turns.at(-1)
	const isContinued = last?.side === ASSISTANT && last.text !== ''
	if (last?.side !== ASSISTANT) turns.push({ side: ASSISTANT, text: '' })
	const tokenIds: number[] = []
	for (const [index, turn] of turns.entries()) {
		const isOpen = index === turns.length - 1
		const content = isOpen ? openText(turn.text) : closedText(turn.text)
		tokenIds.push(turn.side === USER ? user : assistant)
		for (const id of tokenizer.encodePlain(content)) tokenIds.push(id)
	}
	const stopTokenIds = [end, user, assistant]
	return { tokenIds, stopTokenIds, skipsLeadingBlank: !isContinued }
}

/** Ids that end any text of this model: its end token, if it reserves one. */
export function endTokenIds(tokenizer: Tokenizer): number[] {
	const end = tokenizer.specialTokenId(END_OF_TEXT)
	return end === undefined ? [] : [end]
}

interface Turn {
	readonly side: typeof USER | typeof ASSISTANT
	text: string
}

/** Neighbouring messages of one side as one turn; empty ones add nothing. */
function toTurns(messages: readonly ChatMessage[]): Turn[] {
	const turns: Turn[] = []
	for (const { role, content } of messages) {
		const side = role === 'assistant' ? ASSISTANT : USER
		const last = turns.at(-1)
		if (last?.side !== side) turns.push({ side, text: content })
		else if (last.text === '') last.text = content
		else if (content !== '') last.text += ` ${content}`
	}
	return turns
}

function closedText(content: string): string {
	const trimmed = content.trim()
	return trimmed === '' ? ' ' : ` ${trimmed} `
}

function openText(content: string): string {
	return content === '' ? '' : ` ${content.trimStart()}`
}
