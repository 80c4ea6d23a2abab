import { errorCode } from '../lib/errors.ts'
import { escapeControls } from '../lib/log.ts'
import { exitStatus } from './command.ts'

/** What is used of a stream of the process. */
export interface OutputStream {
	write(text: string, written: (error?: Error | null) => void): unknown
	on(event: 'error', listener: (error: Error) => void): unknown
}

/** Standard output: text is written in order, and it is known when and whether all of it was. */
export class Output {
	/** The first error; nothing is written after it. Stays pending while all goes well. */
	readonly failed: Promise<Error>
	readonly #fail: (error: Error) => void
	readonly #stream: OutputStream
	#failure: Error | null = null
	readonly #pending = new Set<Promise<void>>()

	constructor(stream: OutputStream) {
		const { promise, resolve } = Promise.withResolvers<Error>()
		this.failed = promise
		this.#fail = (error) => {
			this.#failure ??= error
			resolve(error)
		}
		this.#stream = stream
		// Told twice, here and at the write; without a listener it would end the process.
		stream.on('error', this.#fail)
	}

	write(text: string): void {
		if (this.#failure !== null) return
		const written = new Promise<void>((resolve) => {
			this.#stream.write(text, (error) => {
				if (error) this.#fail(error)
				resolve()
			})
		})
		this.#pending.add(written)
		void written.then(() => this.#pending.delete(written))
	}

	/** Resolves when everything has left the process, with the error if it could not. */
	async flushed(): Promise<Error | null> {
		await Promise.all(this.#pending)
		return this.#failure
	}
}

/** What a model wrote, harmless to a terminal: lines and tabs stay. */
export function terminalText(text: string): string {
	return text.replace(/[^\n\t]+/g, escapeControls)
}

/** Exit status of a command whose output was lost. */
export function outputStatus(error: Error): number {
	return isClosedPipe(error) ? exitStatus.pipeClosed : exitStatus.outputLost
}

/** What to say about output that was lost; '' when the reader simply wanted no more, as `head`. */
export function outputComplaint(error: Error): string {
	return isClosedPipe(error) ? '' : `alpha: the output cannot be written: ${error.message}\n`
}

function isClosedPipe(error: Error): boolean {
	return errorCode(error) === 'EPIPE'
}
