import { invalidApiKey, uploadsDisabled } from '../wire/errors.ts'
import { bearerToken, Secret } from './bearer.ts'

/** Lets only those pass who know the upload secret: they may change what is served. */
export class UploadGuard {
	readonly #secret: Secret | null

	/** `secret` null: nobody passes. */
	constructor(secret: string | null) {
		this.#secret = secret === null ? null : new Secret(secret)
	}

	/** Throws ApiError 401 or 403. */
	check(headers: Headers): void {
		if (this.#secret === null) throw uploadsDisabled()
		if (!this.#secret.equals(bearerToken(headers) ?? '')) {
			throw invalidApiKey('Expected the upload secret as `Authorization: Bearer <secret>`.')
		}
	}
}
