/** How a request wants its conversation to become a prompt. */
import { isRecord } from '../lib/json.ts'
import type { ChatOptions } from '../text/chat-message.ts'
import { ownTemplate } from '../text/chat-prompt.ts'
import { callFormatOf, ToolCallParser } from '../text/tool-call-parser.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import type { TemplateVariables } from './schemas/chat-template.ts'
import type { ToolFields } from './tools.ts'

export interface ChatFields extends ToolFields {
	readonly add_generation_prompt?: boolean
	readonly continue_final_message?: boolean
	readonly chat_template_kwargs?: TemplateVariables
}

export function toChatOptions(fields: ChatFields): ChatOptions {
	const variables = Object.entries(fields.chat_template_kwargs ?? {})
	return {
		tools: offeredTools(fields),
		addGenerationPrompt: fields.add_generation_prompt,
		continueFinalMessage: fields.continue_final_message,
		variables: Object.fromEntries(variables.filter(([, value]) => value !== null)),
	}
}

/** Finds the calls in replies to a request, where its tools and the model's template allow some; else null. */
export function replyParser(
	fields: ToolFields,
	tokenizer: Tokenizer,
): (() => ToolCallParser) | null {
	const tools = offeredTools(fields)
	const template = ownTemplate(tokenizer)
	if (tools === null || template === null) return null
	const format = callFormatOf(template.toolText ?? template.text)
	if (format === null) return null
	const names = tools.flatMap((tool) => {
		const name = isRecord(tool) && isRecord(tool['function']) ? tool['function']['name'] : undefined
		return typeof name === 'string' ? [name] : []
	})
	return () => new ToolCallParser(format, names)
}

/** Functions as chat templates know them; null where none may be called. */
export function offeredTools({
	tools,
	tool_choice: choice,
}: ToolFields): readonly unknown[] | null {
	if (choice === 'none') return null
	const functions = (tools ?? []).flatMap((tool): unknown[] => {
		if (!isRecord(tool) || tool['type'] !== 'function') return []
		if (isRecord(tool['function'])) return [tool]
		const { type, strict: _, ...own } = tool
		return [{ type, function: own }]
	})
	return functions.length === 0 ? null : functions
}
