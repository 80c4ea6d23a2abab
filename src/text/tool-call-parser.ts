/*
 * Calls of functions in replies that are written as the model's own template has them. The formats that are
 * known:
 *
 *     tags      <tool_call>{"name": "look", "arguments": {"at": "sky"}}</tool_call>   Hermes, Qwen
 *     list      [TOOL_CALLS] [{"name": "look", "arguments": {"at": "sky"}}]           Mistral
 *     object    {"name": "look", "parameters": {"at": "sky"}}                         Llama 3
 *
 * What does not read as a call stays text.
 */
import { isRecord } from '../lib/json.ts'
import type { CallDelta } from './call-reader.ts'

export type CallFormat = 'tags' | 'list' | 'object'

export const OPEN_TAG = '<tool_call>'
export const CLOSE_TAG = '</tool_call>'
const LIST_MARK = '[TOOL_CALLS]'
/** What Llama writes before a call, where it is no reserved token. */
const OBJECT_MARK = '<|python_tag|>'

/** The format that a template tells its model; null = none that is known. */
export function callFormatOf(template: string): CallFormat | null {
	if (template.includes(OPEN_TAG) && template.includes(CLOSE_TAG)) return 'tags'
	if (template.includes(LIST_MARK)) return 'list'
	if (/"name":[^}]*"parameters":/.test(template)) return 'object'
	return null
}

/** What a model writes before its first call; '' = nothing. */
export function callMark(format: CallFormat): string {
	return { tags: OPEN_TAG, list: LIST_MARK, object: '' }[format]
}

/** What a piece of a reply adds. */
export interface ReplyPiece {
	readonly text: string
	/** Whole calls. */
	readonly calls: readonly CallDelta[]
}

/** Takes a reply apart while it is being written. A call is told when it is complete. */
export class ToolCallParser {
	readonly #format: CallFormat
	/** Functions that were offered: JSON of other shapes or names is an answer. */
	readonly #names: ReadonlySet<string>
	/** Text that may become, or is, part of a call. */
	#held = ''
	#isWithinTags = false
	/** The reply has begun with something else than a call. */
	#isText = false
	#count = 0

	constructor(format: CallFormat, names: readonly string[]) {
		this.#format = format
		this.#names = new Set(names)
	}

	push(text: string): ReplyPiece {
		this.#held += text
		if (this.#format === 'tags') return this.#readTags()
		if (this.#isText || !this.#mayBeCall()) {
			this.#isText = true
			return this.#takeText()
		}
		return { text: '', calls: [] }
	}

	/** What is left when the reply has ended. */
	finish(): ReplyPiece {
		const held = this.#held
		this.#held = ''
		if (this.#format === 'tags') {
			if (!this.#isWithinTags) return { text: held, calls: [] }
			const calls = this.#toCalls([parseJson(held)])
			return calls === null ? { text: OPEN_TAG + held, calls: [] } : { text: '', calls }
		}
		const calls = this.#isText ? null : this.#toCalls(this.#readWhole(held))
		return calls === null ? { text: held, calls: [] } : { text: '', calls }
	}

	#readTags(): ReplyPiece {
		let text = ''
		const calls: CallDelta[] = []
		for (;;) {
			const mark = this.#isWithinTags ? CLOSE_TAG : OPEN_TAG
			const at = this.#held.indexOf(mark)
			if (at < 0) break
			const before = this.#held.slice(0, at)
			this.#held = this.#held.slice(at + mark.length)
			if (!this.#isWithinTags) text += this.#outside(before)
			else {
				const read = this.#toCalls([parseJson(before)])
				if (read === null) text += OPEN_TAG + before + CLOSE_TAG
				else calls.push(...read)
			}
			this.#isWithinTags = !this.#isWithinTags
		}
		if (!this.#isWithinTags) {
			const length = this.#held.length - overlap(this.#held, OPEN_TAG)
			text += this.#outside(this.#held.slice(0, length))
			this.#held = this.#held.slice(length)
		}
		return { text, calls }
	}

	/** Line ends between calls say nothing. */
	#outside(text: string): string {
		return this.#count > 0 && text.trim() === '' ? '' : text
	}

	#takeText(): ReplyPiece {
		const text = this.#held
		this.#held = ''
		return { text, calls: [] }
	}

	/** Whether a call, or a mark before one, is what the reply begins with. */
	#mayBeCall(): boolean {
		const start = this.#held.trimStart()
		const mark = this.#format === 'list' ? LIST_MARK : OBJECT_MARK
		const bracket = this.#format === 'list' ? '[' : '{'
		return (
			start === '' || start.startsWith(bracket) || start.startsWith(mark) || mark.startsWith(start)
		)
	}

	/** Values that a whole reply consists of. */
	#readWhole(text: string): readonly unknown[] {
		const mark = this.#format === 'list' ? LIST_MARK : OBJECT_MARK
		const json = text.trimStart().startsWith(mark) ? text.trimStart().slice(mark.length) : text
		if (this.#format === 'list') {
			const items = parseJson(json)
			return Array.isArray(items) ? items : [undefined]
		}
		const whole = parseJson(json)
		return whole === undefined ? json.split(/;(?=\s*\{)|\n(?=\s*\{)/).map(parseJson) : [whole]
	}

	/** Null where one of them is no call. */
	#toCalls(values: readonly unknown[]): CallDelta[] | null {
		const calls = values.map((value) => {
			if (!isRecord(value)) return null
			const { name } = value
			const given = this.#format === 'object' ? value['parameters'] : value['arguments']
			if (typeof name !== 'string' || !this.#names.has(name)) return null
			const json = typeof given === 'string' ? given : JSON.stringify(given ?? {})
			return { name, arguments: json }
		})
		if (calls.length === 0 || calls.includes(null)) return null
		return calls.map((call) => ({ ...call!, index: this.#count++ }))
	}
}

/** Characters at the end of a text with which a mark could begin. */
function overlap(text: string, mark: string): number {
	for (let length = Math.min(text.length, mark.length - 1); length > 0; length--) {
		if (text.endsWith(mark.slice(0, length))) return length
	}
	return 0
}

/** Undefined where it is none. */
function parseJson(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch {
		return undefined
	}
}
