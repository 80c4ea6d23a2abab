/**
 * Who may ask for what. Routes declare it; a path that no route declares needs a key, so that nothing
 * is open by mistake.
 */
import { hash, timingSafeEqual } from 'node:crypto'
import { Elysia } from 'elysia'
import { invalidApiKey, rateLimitExceeded, uploadsDisabled } from '../wire/errors.ts'
import { requestPath } from './request-rules.ts'
import type { RouteTable } from './route-table.ts'

/** A key, and what it is called in the log. */
export interface ApiKey {
	readonly name: string
	readonly value: string
}

/** What callers may know. */
export interface Secrets {
	/** Empty: whoever needs a key needs none. */
	readonly apiKeys: readonly ApiKey[]
	/** Null: nobody changes what is served. */
	readonly uploadSecret: string | null
}

/** Refuses callers who may not ask, before anything of their request is read. */
export function authentication(accepted: Secrets, table: RouteTable) {
	const keys = accepted.apiKeys.map(({ value }) => new Secret(value))
	const uploadSecret = accepted.uploadSecret === null ? null : new Secret(accepted.uploadSecret)
	return new Elysia().onRequest(({ request }) => {
		switch (table.find(request.method, requestPath(request))?.security ?? 'key') {
			case 'none':
				return
			case 'key':
				if (keys.length > 0) checkKey(keys, request.headers)
				return
			case 'uploadSecret':
				checkUploadSecret(uploadSecret, request.headers)
		}
	})
}

function checkKey(keys: readonly Secret[], headers: Headers): void {
	const token = bearerToken(headers) ?? ''
	// Every key is compared, so that the time does not tell which one came close.
	const matches = keys.map((key) => key.equals(token))
	if (!matches.includes(true)) {
		throw invalidApiKey('Expected a valid API key as `Authorization: Bearer <key>`.')
	}
}

/** Lets only those pass who may change what is served. */
function checkUploadSecret(secret: Secret | null, headers: Headers): void {
	if (secret === null) throw uploadsDisabled()
	if (!secret.equals(bearerToken(headers) ?? '')) {
		throw invalidApiKey('Expected the upload secret as `Authorization: Bearer <secret>`.')
	}
}

/** A secret that candidates are compared with in constant time: both sides are hashed first. */
class Secret {
	readonly #digest: Buffer

	constructor(value: string) {
		this.#digest = sha256(value)
	}

	equals(candidate: string): boolean {
		return timingSafeEqual(this.#digest, sha256(candidate))
	}
}

function sha256(text: string): Buffer {
	return hash('sha256', text, 'buffer')
}

/** The token of an `Authorization: Bearer …` header; the scheme's case does not matter. */
export function bearerToken(headers: Headers): string | null {
	// Nothing in it can match in two ways: a header of blanks must not cost time.
	const match = /^bearer +(.*)$/i.exec(headers.get('authorization') ?? '')
	return match?.[1]?.trimEnd() || null
}

const RETRY_AFTER_SECONDS = 1

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
			throw rateLimitExceeded(message, RETRY_AFTER_SECONDS)
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
