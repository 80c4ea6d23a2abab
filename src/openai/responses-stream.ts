/**
 * The events of a streamed response. Clients put the response together from them and are strict:
 * ids never change, every delta has its item and part, sequence numbers have no gap.
 */
import { jsonSteps } from '../lib/json-text.ts'
import { finish, type Steps } from '../lib/steps.ts'
import type { PromptEvent, ScoredToken, TextEvent } from '../text/text-events.ts'
import type { ReplyPiece, ToolCallParser } from '../text/tool-call-parser.ts'
import type { ApiError } from '../wire/errors.ts'
import { eventFrame, type StreamFormat } from '../wire/stream-format.ts'
import { type Call, CallList } from './call-list.ts'
import {
	endStatus,
	type ResponseHead,
	type ResponseOutput,
	toCallItem,
	toMessage,
	toOutputText,
	toResponse,
	toResponseLogprobs,
} from './responses-response.ts'
import type { ChatLogprob } from './schemas/chat.ts'
import type { OutputItem } from './schemas/responses.ts'
import { forcesCalls } from './tools.ts'

type TextPiece = Extract<TextEvent, { type: 'text' }>
type FinishEvent = Extract<TextEvent, { type: 'finish' }>

/** Writes an event: its type and its further fields, as an object or as ready-made JSON without braces. */
type Frame = (type: string, fields: object | string) => string

/** The same in steps, of fields that may be long. */
type LongFrame = (type: string, fields: object) => Steps<string>

/** The events about the items of the output. */
interface ItemEvents {
	open(): string
	text(piece: TextPiece): string
	/** The last events, in steps where they repeat a text; `items` is complete then. */
	close(finish: FinishEvent): string | Steps<string>
	readonly items: readonly OutputItem[]
}

export class ResponseStream implements StreamFormat {
	readonly #head: ResponseHead
	/** Unix seconds. */
	readonly #now: () => number
	readonly #items: ItemEvents
	#sequenceNumber = 0
	#promptTokens = 0
	#cachedTokens = 0
	#finish: FinishEvent | null = null

	constructor(head: ResponseHead, now: () => number) {
		this.#head = head
		this.#now = now
		const frame: Frame = (type, fields) => this.#frame(type, fields)
		const longFrame: LongFrame = (type, fields) => this.#longFrame(type, fields)
		const parser = head.newParser?.()
		if (forcesCalls(head.body)) this.#items = new CallEvents(head, frame)
		else if (parser) this.#items = new MixedEvents(head, { frame, longFrame }, parser)
		else this.#items = new MessageEvents(head, { frame, longFrame })
	}

	open(): string {
		const response = toResponse(this.#head, null)
		return (
			this.#frame('response.created', { response }) +
			this.#frame('response.in_progress', { response }) +
			this.#items.open()
		)
	}

	prompt(event: PromptEvent): null {
		this.#promptTokens = event.promptTokens
		this.#cachedTokens = event.cachedTokens
		return null
	}

	event(event: TextPiece | FinishEvent): string {
		switch (event.type) {
			case 'text':
				return this.#items.text(event)
			case 'finish':
				this.#finish = event
				return ''
		}
	}

	*close(): Steps<string> {
		if (this.#finish === null) return ''
		const closing = this.#items.close(this.#finish)
		const ofItems = typeof closing === 'string' ? closing : yield* closing
		const { finishReason, completionTokens } = this.#finish
		const output: ResponseOutput = {
			items: this.#items.items,
			finishReason,
			promptTokens: this.#promptTokens,
			cachedTokens: this.#cachedTokens,
			completionTokens,
			completedAt: this.#now(),
		}
		const end = finishReason === 'length' ? 'response.incomplete' : 'response.completed'
		return ofItems + (yield* this.#longFrame(end, { response: toResponse(this.#head, output) }))
	}

	fail({ code, message, param }: ApiError): string {
		return this.#frame('error', { code, message, param })
	}

	#frame(type: string, fields: object | string): string {
		const json = typeof fields === 'string' ? fields : JSON.stringify(fields).slice(1, -1)
		const sequenceNumber = this.#sequenceNumber++
		return eventFrame(type, `{"type":"${type}","sequence_number":${sequenceNumber},${json}}`)
	}

	*#longFrame(type: string, fields: object): Steps<string> {
		return this.#frame(type, (yield* jsonSteps(fields)).slice(1, -1))
	}
}

interface Frames {
	readonly frame: Frame
	readonly longFrame: LongFrame
}

/** One message that grows. */
class MessageEvents implements ItemEvents {
	readonly #head: ResponseHead
	readonly #frame: Frame
	readonly #longFrame: LongFrame
	readonly #place: { item_id: string; output_index: number; content_index: number }
	readonly #placeJson: string
	#text = ''
	readonly #logprobs: ChatLogprob[] = []
	items: OutputItem[] = []

	constructor(head: ResponseHead, { frame, longFrame }: Frames, outputIndex = 0) {
		this.#head = head
		this.#frame = frame
		this.#longFrame = longFrame
		this.#place = { item_id: head.newId('msg_'), output_index: outputIndex, content_index: 0 }
		this.#placeJson = JSON.stringify(this.#place).slice(1, -1)
	}

	open(): string {
		const item = { id: this.#place.item_id, type: 'message', role: 'assistant' }
		return (
			this.#frame('response.output_item.added', {
				output_index: this.#place.output_index,
				item: { ...item, status: 'in_progress', content: [] },
			}) +
			this.#frame('response.content_part.added', {
				...this.#place,
				part: toOutputText({ text: '', logprobs: [] }),
			})
		)
	}

	/** Runs per token, therefore the ready-made JSON. */
	text({ text, tokens }: Pick<TextPiece, 'text' | 'tokens'>): string {
		this.#text += text
		const logprobs = finish(toResponseLogprobs(tokens, this.#head))
		this.#logprobs.push(...logprobs)
		const json = JSON.stringify(logprobs)
		const fields = `${this.#placeJson},"delta":${JSON.stringify(text)},"logprobs":${json}`
		return this.#frame('response.output_text.delta', fields)
	}

	*close({ finishReason }: Pick<FinishEvent, 'finishReason'>): Steps<string> {
		const message = { text: this.#text, logprobs: this.#logprobs, finishReason }
		const item = toMessage(this.#place.item_id, message)
		const part = item.content[0]!
		this.items = [item]
		const { text, logprobs } = part
		const place = this.#place
		return (
			(yield* this.#longFrame('response.output_text.done', { ...place, text, logprobs })) +
			(yield* this.#longFrame('response.content_part.done', { ...place, part })) +
			(yield* this.#longFrame('response.output_item.done', {
				output_index: place.output_index,
				item,
			}))
		)
	}
}

/** One call after the other. */
class CallEvents implements ItemEvents {
	readonly #frame: Frame
	readonly #list: CallList
	items: OutputItem[] = []

	constructor(head: ResponseHead, frame: Frame) {
		this.#frame = frame
		this.#list = new CallList(head.newId)
	}

	open(): string {
		return ''
	}

	text({ text }: TextPiece): string {
		let frames = ''
		for (const { call, index, isNew, json } of this.#list.push(text)) {
			if (isNew) {
				if (index > 0) frames += this.#done(this.#list.calls[index - 1]!, index - 1, 'completed')
				frames += this.#frame('response.output_item.added', {
					output_index: index,
					item: toCallItem({ ...call, arguments: '' }, 'in_progress'),
				})
			}
			if (json === '') continue
			const place = { item_id: call.itemId, output_index: index }
			frames += this.#frame('response.function_call_arguments.delta', { ...place, delta: json })
		}
		return frames
	}

	close(finish: FinishEvent): string {
		const index = this.#list.calls.length - 1
		const last = this.#list.calls[index]
		return last === undefined ? '' : this.#done(last, index, endStatus(finish, this.#list, index))
	}

	#done(call: Call, index: number, status: 'completed' | 'incomplete'): string {
		const item = toCallItem(call, status)
		this.items.push(item)
		const { name, arguments: json } = item
		const place = { item_id: call.itemId, output_index: index }
		return (
			this.#frame('response.function_call_arguments.done', { ...place, name, arguments: json }) +
			this.#frame('response.output_item.done', { output_index: index, item })
		)
	}
}

/** A text with calls in it: messages and calls, each an item of its own, in their order. */
class MixedEvents implements ItemEvents {
	readonly #head: ResponseHead
	readonly #frames: Frames
	readonly #parser: ToolCallParser
	readonly #list: CallList
	/** The message that grows. */
	#message: MessageEvents | null = null
	readonly items: OutputItem[] = []

	constructor(head: ResponseHead, frames: Frames, parser: ToolCallParser) {
		this.#head = head
		this.#frames = frames
		this.#parser = parser
		this.#list = new CallList(head.newId)
	}

	open(): string {
		return ''
	}

	text({ text, tokens }: TextPiece): string {
		return this.#read(this.#parser.push(text), tokens)
	}

	*close(end: FinishEvent): Steps<string> {
		const rest = this.#read(this.#parser.finish(), [])
		const isEmpty = this.items.length === 0 && this.#message === null
		return rest + (isEmpty ? this.#openMessage() : '') + (yield* this.#closeMessage(end))
	}

	#read({ text, calls }: ReplyPiece, tokens: readonly ScoredToken[]): string {
		let frames = ''
		// Line ends before a call are no message.
		if (this.#message !== null || text.trim() !== '') {
			frames += this.#openMessage()
			if (text !== '') frames += this.#message!.text({ text, tokens })
		}
		for (const { call } of this.#list.add(calls)) {
			frames += finish(this.#closeMessage({ finishReason: 'stop' }))
			frames += this.#tellCall(call)
		}
		return frames
	}

	#openMessage(): string {
		if (this.#message !== null) return ''
		this.#message = new MessageEvents(this.#head, this.#frames, this.items.length)
		return this.#message.open()
	}

	*#closeMessage(end: Pick<FinishEvent, 'finishReason'>): Steps<string> {
		if (this.#message === null) return ''
		const frames = yield* this.#message.close(end)
		this.items.push(...this.#message.items)
		this.#message = null
		return frames
	}

	#tellCall(call: Call): string {
		const { frame } = this.#frames
		const item = toCallItem(call, 'completed')
		const { name, arguments: json } = item
		const output_index = this.items.length
		const place = { item_id: call.itemId, output_index }
		this.items.push(item)
		return (
			frame('response.output_item.added', {
				output_index,
				item: { ...item, arguments: '', status: 'in_progress' },
			}) +
			frame('response.function_call_arguments.delta', { ...place, delta: json }) +
			frame('response.function_call_arguments.done', { ...place, name, arguments: json }) +
			frame('response.output_item.done', { output_index, item })
		)
	}
}
