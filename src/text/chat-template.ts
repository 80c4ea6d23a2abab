import { END_OF_TEXT } from '../tokenizer/bpe.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ChatMessage, ChatOptions } from './chat-message.ts'
import { encodeText, encodeTexts } from './encode.ts'
import { PROMPT_CHARACTERS_MAX, type Prompt } from './prompt.ts'

const USER = '<|user|>'
const ASSISTANT = '<|assistant|>'

/**
 * A whole conversation as a prompt, ready for the assistant's reply.
 *
 * A model has a chat format when its tokenizer reserves the three chat tokens. Its training data
 * looks like this:
 *
 *     <|user|> Hello. <|assistant|> Hi. <|user|> Bye. <|assistant|> Bye. <|end_of_text|>\n
 *
 * - One blank stands on each side of a text. The prompt ends with `<|assistant|>` alone: the blank
 *   behind it belongs to the first token of the reply.
 * - There are two sides. All roles but the assistant's are the user's side.
 * - Neighbouring messages of one side become one turn, joined by a blank.
 * - The end token follows only the last turn of a conversation, so a reply may also end with a role.
 *
 * A model without chat tokens reads the contents joined by newlines, whatever the roles.
 *
 * In both forms nothing is put behind a last message of the assistant: the model continues it.
 * Contents are encoded as ordinary characters, so that no message can forge a turn. Whoever wants to
 * write reserved tokens uses a text completion.
 */
export async function renderChat(
	messages: readonly ChatMessage[],
	tokenizer: Tokenizer,
	options: Pick<ChatOptions, 'addGenerationPrompt' | 'continueFinalMessage'> = {},
): Promise<Prompt> {
	const user = tokenizer.specialTokenId(USER)
	const assistant = tokenizer.specialTokenId(ASSISTANT)
	const end = tokenizer.specialTokenId(END_OF_TEXT)
	if (user === undefined || assistant === undefined || end === undefined) {
		const text = messages.map(({ content }) => content).join('\n')
		const tokenIds = await encodeText(text, tokenizer, 'plain')
		const { endTokenIds, promptPrefix } = tokenizer
		return {
			tokenIds: [...promptPrefix, ...tokenIds],
			stopTokenIds: endTokenIds,
			textBefore: '',
			skipsLeadingBlank: false,
		}
	}

	const turns = toTurns(messages)
	const last = turns.at(-1)
	const isReply = last?.side === ASSISTANT
	const isOpen = isReply && (options.continueFinalMessage ?? true)
	const isContinued = isOpen && last.text !== ''
	const addsReply = !isOpen && (options.addGenerationPrompt ?? true)
	if (addsReply) turns.push({ side: ASSISTANT, text: '' })
	const contents = turns.map(({ text }, index) =>
		index === turns.length - 1 && (isOpen || addsReply) ? openText(text) : closedText(text),
	)
	const encoded = await encodeTexts(contents, tokenizer, 'plain')
	const tokenIds: number[] = []
	for (const [index, { side }] of turns.entries()) {
		tokenIds.push(side === USER ? user : assistant)
		for (const id of encoded[index]!) tokenIds.push(id)
	}
	const stopTokenIds = [end, user, assistant]
	return { tokenIds, stopTokenIds, textBefore: '', skipsLeadingBlank: !isContinued }
}

/** `renderChat` as a Jinja template, for clients that render themselves; null without chat tokens. */
export function jinjaChatTemplate(tokenizer: Tokenizer): string | null {
	const tokens = [USER, ASSISTANT, END_OF_TEXT]
	return tokens.some((text) => tokenizer.specialTokenId(text) === undefined) ? null : JINJA_TEMPLATE
}

/** Everything is collected in `chat`, since Jinja's loops forget what they set. */
const JINJA_TEMPLATE = [
	`{%- set chat = namespace(turns='', side='', text='') -%}`,
	`{%- macro closed(text) -%}{{ ' ' ~ text.strip() ~ ' ' if text.strip() else ' ' }}{%- endmacro -%}`,
	`{%- for message in messages -%}`,
	`{%- set side = '${ASSISTANT}' if message['role'] == 'assistant' else '${USER}' -%}`,
	`{%- set parts = message['content'] or '' -%}`,
	`{%- set text = parts if parts is string else parts | map(attribute='text') | join -%}`,
	`{%- if side != chat.side -%}`,
	`{%- if chat.side -%}{%- set chat.turns = chat.turns ~ chat.side ~ closed(chat.text) -%}{%- endif -%}`,
	`{%- set chat.side = side -%}{%- set chat.text = text -%}`,
	`{%- elif not chat.text -%}{%- set chat.text = text -%}`,
	`{%- elif text -%}{%- set chat.text = chat.text ~ ' ' ~ text -%}`,
	`{%- endif -%}`,
	`{%- endfor -%}`,
	`{%- if chat.side == '${ASSISTANT}' -%}`,
	`{{ chat.turns ~ chat.side ~ (' ' ~ chat.text.lstrip() if chat.text else '') }}`,
	`{%- else -%}`,
	`{{ chat.turns ~ chat.side ~ closed(chat.text) }}`,
	`{%- if add_generation_prompt -%}{{ '${ASSISTANT}' }}{%- endif -%}`,
	`{%- endif -%}`,
].join('\n')

/** The last messages, the first of them cut if need be. */
export function endOfMessages(messages: readonly ChatMessage[]): readonly ChatMessage[] {
	let room = PROMPT_CHARACTERS_MAX
	for (let i = messages.length - 1; i >= 0; i--) {
		const message = messages[i]!
		room -= message.content.length
		if (room > 0) continue
		const content = message.content.slice(-(message.content.length + room))
		return [{ role: message.role, content }, ...messages.slice(i + 1)]
	}
	return messages
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
