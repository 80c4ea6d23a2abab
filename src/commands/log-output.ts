import type { LogLevel } from '../lib/log.ts'

/** Lines of requests are gathered for so long: under load one write has many of them. */
const GATHER_MS = 100

/** Gathered text that is written at once, in characters. */
const GATHERED_LENGTH_MAX = 64 * 1024

/**
 * Where the log goes. Lines about requests wait a moment for others, so that a request costs no write of its
 * own; whatever went wrong is written at once, with all that was said before it.
 */
export class LogOutput implements Disposable {
	readonly #write: (text: string) => void
	#gathered = ''
	#timer: ReturnType<typeof setTimeout> | null = null

	constructor(write: (text: string) => void) {
		this.#write = write
	}

	write(line: string, level: LogLevel): void {
		this.#gathered += line
		if (level !== 'info' || this.#gathered.length >= GATHERED_LENGTH_MAX) this.flush()
		else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS)
	}

	flush(): void {
		if (this.#timer !== null) clearTimeout(this.#timer)
		this.#timer = null
		const text = this.#gathered
		this.#gathered = ''
		if (text !== '') this.#write(text)
	}

	[Symbol.dispose](): void {
		this.flush()
	}
}
