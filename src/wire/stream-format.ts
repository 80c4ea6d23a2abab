import type { Steps } from '../lib/steps.ts'
import type { PromptEvent, TextEvent } from '../text/text-events.ts'
import type { ApiError } from './errors.ts'

/** A dialect's way of streaming: each method gives the SSE frames to send, '' for none. */
export interface StreamFormat {
	/** Sent at once, before the prompt has been read. */
	open(): string
	/** A prompt was read; null: nothing is sent of it. One that is repeated can be long. */
	prompt(event: PromptEvent): Steps<string> | null
	event(event: Exclude<TextEvent, PromptEvent>): string
	/** After the last choice has finished; in steps where all that was said is repeated. */
	close(): string | Steps<string>
	/** In place of the rest, when the generation failed. */
	fail(error: ApiError): string
}

/** A frame without event name around ready-made JSON. */
export function dataFrame(json: string): string {
	return `data: ${json}\n\n`
}

/** A frame with an event name, around ready-made JSON. */
export function eventFrame(name: string, json: string): string {
	return `event: ${name}\n${dataFrame(json)}`
}

/** Terminator of a stream of frames without event names. */
export const doneFrame = dataFrame('[DONE]')

/** The error object in mid-stream; no finish chunk follows. */
export function errorFrame({ message, type, param, code }: ApiError): string {
	return dataFrame(JSON.stringify({ error: { message, type, param, code } }))
}
