import { rateLimitExceeded } from '../wire/errors.ts'
import { bearerToken } from './bearer.ts'

const retryAfterSeconds = 1

/** How many generations the holders of one API key may have under way. */
export class KeyLimit {
	readonly #generationsMax: number
	readonly #underWay = new Map<string, number>()

	constructor(generationsMax: number) {
		this.#generationsMax = generationsMax
	}

	/** Takes a place for a request's key and returns what gives it back. Throws ApiError 429. */
	enter(headers: Headers): () => void {
		const key = bearerToken(headers) ?? ''
		const count = this.#underWay.get(key) ?? 0
		if (count >= this.#generationsMax) {
			const message = `This API key has ${count} generations under way, which is the limit.`
			throw rateLimitExceeded(message, retryAfterSeconds)
		}
		this.#underWay.set(key, count + 1)
		return () => this.#leave(key)
	}

	#leave(key: string): void {
		const count = this.#underWay.get(key) ?? 0
		if (count > 1) this.#underWay.set(key, count - 1)
		else this.#underWay.delete(key)
	}
}
