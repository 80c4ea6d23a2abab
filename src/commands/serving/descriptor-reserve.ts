import { closeSync, openSync } from 'node:fs'
import { errorCode } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { Acceptance } from './listening-sockets.ts'

/** Descriptors that connections never get: files of models, workers that start, a look into a directory. */
const RESERVE = 24
/** Free ones beside the reserve with which connections are accepted again. */
const HEADROOM = 8
/** How often it is looked; until then a loop out of descriptors turns without a pause. */
const LOOK_MS = 50
/** The same while many are free. */
const RELAXED_LOOK_MS = 500
/** So many are free then: more than connections take until the next look. */
const MANY = 1000

export interface DescriptorReserveOptions {
	readonly acceptance: Acceptance
	readonly log: Log
	/** Descriptors that the process may have. */
	readonly limit: number
	/** Takes the lowest descriptor that is free; throws EMFILE when there is none. */
	readonly open?: () => number
	readonly close?: (fd: number) => void
}

/**
 * Keeps some descriptors from connections. When connections have taken all others, none are accepted
 * until some have ended, and the reserve is there for files: else whatever opens one fails, and the event loop
 * spins over connections that it cannot accept.
 */
export class DescriptorReserve implements Disposable {
	readonly #options: Required<DescriptorReserveOptions>
	#held: number[] = []
	#isPaused = false
	#timer: Timer | null = null

	constructor(options: DescriptorReserveOptions) {
		this.#options = { open: () => openSync('/dev/null', 'r'), close: closeSync, ...options }
		this.#held = this.#take(RESERVE) ?? []
	}

	/** Looks again and again, until it is disposed of. */
	watch(): void {
		const delayMs = this.look()
		this.#timer = setTimeout(() => this.watch(), delayMs)
		this.#timer.unref()
	}

	/** Pauses or resumes what has to be; returns when to look again, in milliseconds. */
	look(): number {
		const { acceptance, log, limit } = this.#options
		if (this.#isPaused) {
			const taken = this.#take(RESERVE + HEADROOM)
			if (taken === null) return LOOK_MS
			this.#held = taken.splice(0, RESERVE)
			this.#give(taken)
			this.#isPaused = false
			acceptance.resume()
			log('info', 'connections are accepted again')
			return LOOK_MS
		}
		const free = this.#take(1)
		if (free !== null) {
			this.#give(free)
			return free[0]! + MANY < limit ? RELAXED_LOOK_MS : LOOK_MS
		}
		this.#isPaused = true
		acceptance.pause()
		this.#give(this.#held)
		this.#held = []
		log(
			'warn',
			'all file descriptors are in use: new connections wait until others end; raise `ulimit -n`',
		)
		return LOOK_MS
	}

	[Symbol.dispose](): void {
		if (this.#timer !== null) clearTimeout(this.#timer)
		this.#give(this.#held)
		this.#held = []
	}

	/** So many descriptors, or null and none. */
	#take(count: number): number[] | null {
		const taken: number[] = []
		try {
			while (taken.length < count) taken.push(this.#options.open())
			return taken
		} catch (error) {
			this.#give(taken)
			if (!['EMFILE', 'ENFILE'].includes(errorCode(error))) throw error
			return null
		}
	}

	#give(fds: readonly number[]): void {
		for (const fd of fds) this.#options.close(fd)
	}
}
