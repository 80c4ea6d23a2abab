import type { ApiError } from '../lib/errors.ts'
import type { TextEvent } from '../text/text-events.ts'

/** A dialect's way of streaming: each method gives the SSE frames to send, '' for none. */
export interface StreamFormat {
	/** Sent at once, before the prompt has been read. */
	open(): string
	event(event: TextEvent): string
	/** After the last choice has finished. */
	close(): string
	/** In place of the rest, when the generation failed. */
	fail(error: ApiError): string
}

/** Terminator of the streams of chat completions and completions. */
export const doneFrame = 'data: [DONE]\n\n'

/** A frame without event name. */
export function dataFrame(value: unknown): string {
	return `data: ${JSON.stringify(value)}\n\n`
}

/** The error object in mid-stream; no finish chunk follows. */
export function errorFrame({ message, type, param, code }: ApiError): string {
	return dataFrame({ error: { message, type, param, code } })
}
