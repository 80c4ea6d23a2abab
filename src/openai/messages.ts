/** Messages as clients send them → messages as chat templates take them. */
import { isRecord } from '../lib/json.ts'
import type { ChatMessage } from '../text/chat-message.ts'
import { unsupportedValue } from '../wire/errors.ts'
import type { WireMessage } from './schemas/chat.ts'
import type { InputItem } from './schemas/responses.ts'

/** Parts are joined without a separator; an assistant that called a tool has no content. */
export function fromWireMessages(messages: readonly WireMessage[]): ChatMessage[] {
	return messages.map(({ role, content, ...details }) => {
		const { name, tool_call_id, tool_calls, reasoning_content } = details
		const hasContent = content !== undefined && content !== null
		return {
			role,
			content: hasContent ? contentText(content) : '',
			details: {
				...(!hasContent && { content: null }),
				name,
				tool_call_id,
				tool_calls: toTemplateCalls(tool_calls),
				reasoning_content,
			},
		}
	})
}

/**
 * Items of a response's input. Results of functions are told like tool messages; that there was a call only
 * a model's own template can tell. Throws ApiError 400 for references to stored items.
 */
export function fromInputItems(items: readonly InputItem[]): ChatMessage[] {
	const messages: ChatMessage[] = []
	/** Calls that stand one after another are of one message. */
	let calls: unknown[] | null = null
	for (const [index, item] of items.entries()) {
		if (item.type === 'reasoning') continue
		if (item.type === 'function_call' && 'arguments' in item) {
			const { call_id: id, name, arguments: json } = item
			if (calls === null) {
				calls = []
				const details = { content: null, tool_calls: calls }
				messages.push({ role: 'assistant', content: '', details, isForTemplates: true })
			}
			const call = { id, type: 'function', function: { name, arguments: json } }
			calls.push(...(toTemplateCalls([call]) ?? []))
			continue
		}
		calls = null
		if ('content' in item) messages.push({ role: item.role, content: contentText(item.content) })
		else if ('output' in item) {
			const details = { tool_call_id: item.call_id }
			messages.push({ role: 'tool', content: contentText(item.output), details })
		} else {
			const reason =
				'the server stores no items: send the item itself, as clients do with `store: false`'
			throw unsupportedValue(`input[${index}]`, reason)
		}
	}
	return messages
}

/** Templates want the arguments of a call as a value, clients send them as its JSON. */
function toTemplateCalls(calls: readonly unknown[] | undefined): unknown[] | undefined {
	if (calls === undefined || calls === null || calls.length === 0) return undefined
	return calls.map((call) => {
		const called = isRecord(call) ? call['function'] : undefined
		if (!isRecord(call) || !isRecord(called)) return call
		return { ...call, function: { ...called, arguments: argumentsOf(called['arguments']) } }
	})
}

function argumentsOf(json: unknown): unknown {
	if (typeof json !== 'string') return json
	try {
		const value: unknown = JSON.parse(json)
		return isRecord(value) ? value : json
	} catch {
		return json
	}
}

/** Text of a content field. */
function contentText(content: string | readonly { readonly text: string }[]): string {
	return typeof content === 'string' ? content : content.map((part) => part.text).join('')
}
