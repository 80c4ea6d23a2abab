/**
 * The events of a streamed response. Clients put the response together from them and are strict:
 * ids never change, every delta has its item and part, sequence numbers have no gap.
 */

import type { ScoredToken, TextEvent } from '../text/text-events.ts'
import type { ApiError } from '../wire/errors.ts'
import { eventFrame, type StreamFormat } from '../wire/stream-format.ts'
import {
	type ResponseHead,
	type ResponseOutput,
	toMessage,
	toOutputText,
	toResponse,
	toResponseLogprobs,
} from './responses-response.ts'

export class ResponseStream implements StreamFormat {
	readonly #head: ResponseHead
	/** Unix seconds. */
	readonly #now: () => number
	readonly #deltaFields: string
	#sequenceNumber = 0
	#text = ''
	readonly #tokens: ScoredToken[] = []
	#promptTokens = 0
	#cachedTokens = 0
	#output: ResponseOutput | null = null

	constructor(head: ResponseHead, now: () => number) {
		this.#head = head
		this.#now = now
		this.#deltaFields = `"item_id":${JSON.stringify(head.messageId)},"output_index":0,"content_index":0`
	}

	open(): string {
		const response = toResponse(this.#head, null)
		const item = { id: this.#head.messageId, type: 'message', role: 'assistant' }
		return (
			this.#frame('response.created', { response }) +
			this.#frame('response.in_progress', { response }) +
			this.#frame('response.output_item.added', {
				output_index: 0,
				item: { ...item, status: 'in_progress', content: [] },
			}) +
			this.#frame('response.content_part.added', {
				...this.#place(),
				part: toOutputText(this.#head, { text: '', tokens: [] }),
			})
		)
	}

	event(event: TextEvent): string {
		switch (event.type) {
			case 'prompt':
				this.#promptTokens = event.promptTokens
				this.#cachedTokens = event.cachedTokens
				return ''
			case 'text':
				return this.#delta(event.text, event.tokens)
			case 'finish':
				this.#output = {
					text: this.#text,
					tokens: this.#tokens,
					finishReason: event.finishReason,
					promptTokens: this.#promptTokens,
					cachedTokens: this.#cachedTokens,
					completionTokens: event.completionTokens,
					completedAt: this.#now(),
				}
				return ''
		}
	}

	close(): string {
		const output = this.#output
		if (output === null) return ''
		const part = toOutputText(this.#head, output)
		const end = output.finishReason === 'length' ? 'response.incomplete' : 'response.completed'
		return (
			this.#frame('response.output_text.done', {
				...this.#place(),
				text: part.text,
				logprobs: part.logprobs,
			}) +
			this.#frame('response.content_part.done', { ...this.#place(), part }) +
			this.#frame('response.output_item.done', {
				output_index: 0,
				item: toMessage(this.#head, output),
			}) +
			this.#frame(end, { response: toResponse(this.#head, output) })
		)
	}

	fail({ code, message, param }: ApiError): string {
		return this.#frame('error', { code, message, param })
	}

	/** Runs per token: put together from ready-made strings. */
	#delta(text: string, tokens: readonly ScoredToken[]): string {
		this.#text += text
		this.#tokens.push(...tokens)
		const logprobs = JSON.stringify(toResponseLogprobs(tokens, this.#head))
		const fields = `${this.#deltaFields},"delta":${JSON.stringify(text)},"logprobs":${logprobs}`
		return this.#rawFrame('response.output_text.delta', fields)
	}

	#place() {
		return { item_id: this.#head.messageId, output_index: 0, content_index: 0 }
	}

	#frame(type: string, fields: object): string {
		return this.#rawFrame(type, JSON.stringify(fields).slice(1, -1))
	}

	#rawFrame(type: string, fields: string): string {
		const sequenceNumber = this.#sequenceNumber++
		return eventFrame(type, `{"type":"${type}","sequence_number":${sequenceNumber},${fields}}`)
	}
}
