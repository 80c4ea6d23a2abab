/* A conversation → token ids by the model's own template, which no message can forge reserved tokens for. */
import { finish } from '../../lib/steps.ts'
import type { ChatTemplateSource } from '../../tokenizer/chat-template-source.ts'
import { SpecialTokenMatcher } from '../../tokenizer/special-token-matcher.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { ChatMessage, ChatOptions, ChatRole } from '../chat-message.ts'
import { encodeText } from '../encode.ts'
import { endOfText, type Prompt } from '../prompt.ts'
import { ModelTemplate } from './model-template.ts'
import { TemplateError } from './template-error.ts'

export interface TemplatePromptOptions {
	readonly tokenizer: Tokenizer
	readonly template: ChatTemplateSource
	readonly options: ChatOptions
}

/** Throws TemplateError. */
export async function templatePrompt(
	messages: readonly ChatMessage[],
	{ tokenizer, template, options }: TemplatePromptOptions,
): Promise<Prompt> {
	const { tools = null, variables = {} } = options
	const given = { messages: messages.map(toTemplateMessage), tools, variables }
	const mark = unusedMark(given)
	const hidden = reservedHider(tokenizer, mark)(given) as typeof given
	const last = messages.at(-1)
	const isContinued = options.continueFinalMessage ?? isUnfinished(last)
	if (isContinued && options.addGenerationPrompt === true) {
		throw new TemplateError(
			'a final message that is continued has no generation prompt behind it: expected one of the two',
		)
	}
	const input = {
		...hidden,
		messages: isContinued ? withOpenEnd(hidden.messages, mark) : hidden.messages,
		addGenerationPrompt: options.addGenerationPrompt ?? !isContinued,
	}
	const rendered = compiled(tokenizer, template, tools !== null).render(input)
	const text = isContinued ? upToOpenEnd(rendered, mark) : rendered
	const tokenIds = await encodeText(
		options.isWhole ? text : endOfText(text),
		tokenizer,
		'read',
		mark,
	)
	const { eos_token: end } = template.tokens
	const endId = end === undefined ? undefined : tokenizer.specialTokenId(end)
	const stopTokenIds = new Set([...tokenizer.endTokenIds, ...(endId === undefined ? [] : [endId])])
	return {
		tokenIds,
		stopTokenIds: [...stopTokenIds],
		textBefore: isContinued ? (last?.content ?? '') : '',
		skipsLeadingBlank: false,
	}
}

/** Templates know fewer roles than requests. */
const ROLES: Readonly<Record<ChatRole, string>> = {
	system: 'system',
	developer: 'system',
	user: 'user',
	assistant: 'assistant',
	tool: 'tool',
	function: 'tool',
}

function toTemplateMessage({ role, content, details }: ChatMessage): Record<string, unknown> {
	const fields = Object.entries({ role: ROLES[role], content, ...details })
	return Object.fromEntries(fields.filter(([, value]) => value !== null && value !== undefined))
}

/** A reply that waits to be continued; one that called a tool waits for the result. */
function isUnfinished(message: ChatMessage | undefined): boolean {
	return message?.role === 'assistant' && message.content !== '' && !message.details?.['tool_calls']
}

type TemplateMessages = readonly Readonly<Record<string, unknown>>[]

/** Marks where the last content ends; the blank behind it tells whether the template strips contents. */
function withOpenEnd(messages: TemplateMessages, mark: string): TemplateMessages {
	const last = messages.at(-1)
	if (last === undefined || typeof last['content'] !== 'string') {
		throw new TemplateError('the final message has no content to be continued')
	}
	return [...messages.slice(0, -1), { ...last, content: `${last['content']}${mark}${mark} ` }]
}

function upToOpenEnd(rendered: string, mark: string): string {
	const at = rendered.lastIndexOf(mark + mark)
	if (at < 0) throw new TemplateError('the final message does not appear in the prompt')
	const text = rendered.slice(0, at)
	return rendered.startsWith(`${mark}${mark} `, at) ? text : text.trimEnd()
}

/** Characters that Unicode keeps for uses like this one. */
const MARKS = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i))

function unusedMark(given: unknown): string {
	const text = JSON.stringify(given)
	const mark = MARKS.find((each) => !text.includes(each))
	if (mark === undefined) throw new TemplateError('the messages have all of U+FDD0 … U+FDEF')
	return mark
}

/** Breaks the reserved tokens in all texts of a JSON value by a mark that the tokenizer leaves out. */
function reservedHider(tokenizer: Tokenizer, mark: string): (value: unknown) => unknown {
	const matcher = matcherOf(tokenizer)
	const hide = (value: unknown): unknown => {
		if (typeof value === 'string') return hideReserved(value, matcher, mark)
		if (Array.isArray(value)) return value.map(hide)
		if (typeof value !== 'object' || value === null) return value
		return Object.fromEntries(Object.entries(value).map(([key, item]) => [hide(key), hide(item)]))
	}
	return hide
}

function hideReserved(text: string, matcher: SpecialTokenMatcher, mark: string): string {
	const found = matcher.find(text)
	if (found.every((index) => index < 0)) return text
	let hidden = ''
	for (let at = 0; at < text.length; ) {
		const character = String.fromCodePoint(text.codePointAt(at)!)
		hidden += found[at]! < 0 ? character : character + mark
		at += character.length
	}
	return hidden
}

const matchers = new WeakMap<Tokenizer, SpecialTokenMatcher>()

function matcherOf(tokenizer: Tokenizer): SpecialTokenMatcher {
	let matcher = matchers.get(tokenizer)
	if (matcher === undefined) {
		// One character cannot be broken.
		const tokens = tokenizer.spec.specialTokens.filter((token) => [...token].length > 1)
		matcher = finish(SpecialTokenMatcher.of(tokens))
		matchers.set(tokenizer, matcher)
	}
	return matcher
}

const templates = new WeakMap<Tokenizer, Map<string, ModelTemplate>>()

/** Parsed when it is first needed. */
function compiled(
	tokenizer: Tokenizer,
	{ text, toolText, tokens }: ChatTemplateSource,
	hasTools: boolean,
): ModelTemplate {
	const known = templates.get(tokenizer) ?? new Map<string, ModelTemplate>()
	templates.set(tokenizer, known)
	const wanted = hasTools ? (toolText ?? text) : text
	const template = known.get(wanted) ?? new ModelTemplate(wanted, tokens)
	known.set(wanted, template)
	return template
}
