import type { LogLevel } from '../../lib/log.ts'

/** Lines of requests are gathered for so long: under load one write has many of them. */
const GATHER_MS = 100

/** Gathered text that is written at once, in characters. */
const GATHERED_LENGTH_MAX = 64 * 1024

/** Text that was written and that nobody has read yet, in characters; what comes beyond is lost. */
const UNREAD_LENGTH_MAX = 2 ** 20

export interface LogOutputOptions {
	/** Calls `written` when the text has left the process. */
	readonly write: (text: string, written: () => void) => void
	/** Told how many lines were lost, when there is room again. */
	readonly lost: (lines: number) => void
}

/**
 * Where the log goes. Lines about requests wait a moment for others, so that a request costs no write of its
 * own; whatever went wrong is written at once, with all that was said before it. A collector that stops to
 * read costs lines, never memory.
 */
export class LogOutput implements Disposable {
	readonly #options: LogOutputOptions
	#gathered = ''
	#gatheredLines = 0
	#lostLines = 0
	#unreadLength = 0
	#timer: ReturnType<typeof setTimeout> | null = null

	constructor(options: LogOutputOptions) {
		this.#options = options
	}

	write(line: string, level: LogLevel): void {
		this.#gathered += line
		this.#gatheredLines++
		if (level !== 'info' || this.#gathered.length >= GATHERED_LENGTH_MAX) this.flush()
		else this.#timer ??= setTimeout(() => this.flush(), GATHER_MS)
	}

	flush(): void {
		if (this.#timer !== null) clearTimeout(this.#timer)
		this.#timer = null
		const [text, lines] = [this.#gathered, this.#gatheredLines]
		this.#gathered = ''
		this.#gatheredLines = 0
		if (text === '') return
		if (this.#unreadLength + text.length > UNREAD_LENGTH_MAX) {
			this.#lostLines += lines
			return
		}
		this.#unreadLength += text.length
		this.#options.write(text, () => {
			this.#unreadLength -= text.length
			const lost = this.#lostLines
			this.#lostLines = 0
			if (lost > 0) this.#options.lost(lost)
		})
	}

	[Symbol.dispose](): void {
		this.flush()
	}
}
