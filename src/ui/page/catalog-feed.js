/** The list of models as the server tells it: one stream of events that is opened again when it ends. */
import { ApiError, readEvents, request } from './api.js'

/**
 * @typedef {{ run: string, status: string, step: number, totalSteps: number | null, loss: number | null }} Progress
 *
 * @typedef {{ directory: string | null, uploads: boolean }} ServerFacts
 *
 * @typedef {{ server: (facts: ServerFacts) => void, models: (runs: import('./api.js').Run[]) => void, progress: (progress: Progress) => void,
 *   online: (isOnline: boolean) => void, refused: (error: ApiError) => void }} FeedListener
 */

const RETRY_MS = 2000

/** The server tells at least a comment so often; behind a dead line nothing comes. */
const SILENCE_MS = 45_000

export class CatalogFeed {
	#listener
	/** @type {AbortController | null} */
	#running = null
	#wake = () => {}

	/** @param {FeedListener} listener */
	constructor(listener) {
		this.#listener = listener
		addEventListener('online', () => this.#wake())
		document.addEventListener('visibilitychange', () => this.#wake())
	}

	/** Begins, or begins again, as after a key was given. */
	open() {
		this.#running?.abort()
		this.#running = new AbortController()
		this.#follow(this.#running.signal)
	}

	/** @param {AbortSignal} signal */
	async #follow(signal) {
		while (!signal.aborted) {
			try {
				await this.#read(signal)
			} catch (error) {
				if (signal.aborted) return
				if (error instanceof ApiError && error.status >= 400 && error.status < 500) {
					this.#listener.refused(error)
					return
				}
			}
			if (signal.aborted) return
			this.#listener.online(false)
			await new Promise((resolve) => {
				this.#wake = () => resolve(null)
				setTimeout(resolve, RETRY_MS)
			})
		}
	}

	/** @param {AbortSignal} signal */
	async #read(signal) {
		const silence = new AbortController()
		let timer = setTimeout(() => silence.abort(), SILENCE_MS)
		const response = await request('api/events', {
			signal: AbortSignal.any([signal, silence.signal]),
		})
		const heard = () => {
			clearTimeout(timer)
			timer = setTimeout(() => silence.abort(), SILENCE_MS)
		}
		try {
			this.#listener.online(true)
			for await (const { type, data } of readEvents(response, heard)) {
				if (type === 'server') this.#listener.server(data)
				if (type === 'models') this.#listener.models(data)
				if (type === 'progress') this.#listener.progress(data)
			}
		} finally {
			clearTimeout(timer)
		}
	}
}
