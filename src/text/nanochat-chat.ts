/*
 * Conversations as nanochat trains them:
 *
 *     <|bos|><|user_start|>Hi<|user_end|><|assistant_start|>Hello.<|assistant_end|>
 *
 * A system message is the beginning of the user's first one. What the model wrote for its tool and what
 * the tool answered stand in the assistant's text between marks; the tool itself is never run here.
 */
import { NANOCHAT_BOS, NANOCHAT_END, NANOCHAT_TOOL_MARKS } from '../tokenizer/nanochat.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { ChatOptions } from './chat-message.ts'
import { encodeTexts } from './encode.ts'
import type { Prompt } from './prompt.ts'

interface Message {
	readonly role: string
	readonly content: string
}

/** Between messages that become one turn. */
const JOINT = '\n\n'

/** Special tokens by what they are for; undefined where the tokenizer lacks one. */
function chatTokens(tokenizer: Tokenizer) {
	const [bos, userStart, userEnd, assistantStart, assistantEnd] = [
		NANOCHAT_BOS,
		'<|user_start|>',
		'<|user_end|>',
		'<|assistant_start|>',
		NANOCHAT_END,
	].map((text) => tokenizer.specialTokenId(text))
	if (bos === undefined || userStart === undefined || userEnd === undefined) return undefined
	if (assistantStart === undefined || assistantEnd === undefined) return undefined
	return { bos, userStart, userEnd, assistantStart, assistantEnd }
}

/** A stretch of a turn: ordinary text, or a mark of the tool. */
type Stretch = { readonly text: string } | { readonly id: number }

/**
 * A conversation, ready for the assistant's reply; a last message of the assistant is continued unless the
 * options say otherwise. Undefined for a tokenizer without the tokens.
 */
export async function renderNanochat(
	messages: readonly Message[],
	tokenizer: Tokenizer,
	options: Pick<ChatOptions, 'addGenerationPrompt' | 'continueFinalMessage'> = {},
): Promise<Prompt | undefined> {
	const tokens = chatTokens(tokenizer)
	if (tokens === undefined) return undefined
	const stretches: Stretch[] = [{ id: tokens.bos }]
	const turns = toTurns(messages)
	const isContinued = turns.at(-1)?.isAssistant === true && (options.continueFinalMessage ?? true)
	const addsReply = !isContinued && (options.addGenerationPrompt ?? true)
	if (addsReply) turns.push({ isAssistant: true, text: '' })
	for (const [index, { isAssistant, text }] of turns.entries()) {
		const isOpen = index === turns.length - 1 && (isContinued || addsReply)
		stretches.push({ id: isAssistant ? tokens.assistantStart : tokens.userStart })
		stretches.push(...(isAssistant ? splitAtMarks(text, tokenizer) : [{ text }]))
		if (!isOpen) stretches.push({ id: isAssistant ? tokens.assistantEnd : tokens.userEnd })
	}
	const texts = stretches.map((stretch) => ('text' in stretch ? stretch.text : ''))
	const encoded = await encodeTexts(texts, tokenizer, 'plain')
	return {
		tokenIds: stretches.flatMap((stretch, i) => ('id' in stretch ? [stretch.id] : encoded[i]!)),
		stopTokenIds: tokenizer.endTokenIds,
		textBefore: '',
		skipsLeadingBlank: false,
	}
}

interface Turn {
	readonly isAssistant: boolean
	text: string
}

/** All roles but the assistant's are the user's side; neighbours of one side become one turn. */
function toTurns(messages: readonly Message[]): Turn[] {
	const turns: Turn[] = []
	for (const { role, content } of messages) {
		const isAssistant = role === 'assistant'
		const last = turns.at(-1)
		if (last?.isAssistant === isAssistant) last.text += JOINT + content
		else turns.push({ isAssistant, text: content })
	}
	return turns
}

const MARKS = new RegExp(`(${NANOCHAT_TOOL_MARKS.map((mark) => RegExp.escape(mark)).join('|')})`)

function splitAtMarks(text: string, tokenizer: Tokenizer): Stretch[] {
	return text.split(MARKS).flatMap((part, index): Stretch[] => {
		const id = index % 2 === 1 ? tokenizer.specialTokenId(part) : undefined
		return id === undefined ? [{ text: part }] : [{ id }]
	})
}
