/** A streamed completion as a client sees it, read off a bare socket. */
import { connect, type Socket } from 'node:net'
import { completion, requestText } from '../faults/goals/traffic.ts'
import { HttpAnswer } from '../helpers/http-answer.ts'

/**
 * How a stream ended: `whole` with `[DONE]`, `told` with an error event, `cut` with its connection, or `unnoticed`:
 * HTTP says that it is whole, and it is not.
 */
export type StreamEnd = 'whole' | 'told' | 'cut' | 'unnoticed'

export class Stream {
	/** The name of the replica that answers, with its first event; null when there was none. */
	readonly begun: Promise<string | null>
	readonly ended: Promise<StreamEnd>
	/** From the request to the first event, in milliseconds. */
	firstMs = Number.NaN
	readonly #socket: Socket

	constructor(port: number, tokens: number, changes: object = {}) {
		const startedAt = performance.now()
		const begun = Promise.withResolvers<string | null>()
		const ended = Promise.withResolvers<StreamEnd>()
		this.begun = begun.promise
		this.ended = ended.promise
		const answer = new HttpAnswer()
		this.#socket = connect({ host: '127.0.0.1', port })
		this.#socket.setNoDelay(true)
		this.#socket.on('error', () => {})
		this.#socket.on('close', () => {
			begun.resolve(null)
			ended.resolve('cut')
		})
		this.#socket.on('data', (bytes: Buffer) => {
			answer.take(bytes)
			if (Number.isNaN(this.firstMs)) {
				const name = /"model":"([^"]+)"/.exec(answer.body)?.[1]
				if (name !== undefined) {
					this.firstMs = performance.now() - startedAt
					begun.resolve(name)
				}
			}
			if (!answer.isWhole) return
			ended.resolve(endOf(answer))
			this.#socket.destroy()
		})
		this.#socket.write(requestText(completion(tokens, { stream: true, ...changes })))
	}

	/** Leaves before the end. */
	leave(): void {
		this.#socket.destroy()
	}
}

function endOf({ status, body }: HttpAnswer): StreamEnd {
	if (status !== 200 || body.includes('"error"')) return 'told'
	return body.endsWith('data: [DONE]\n\n') ? 'whole' : 'unnoticed'
}
