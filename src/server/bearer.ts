import { createHash, timingSafeEqual } from 'node:crypto'

/** A secret that candidates are compared with in constant time: both sides are hashed first. */
export class Secret {
	readonly #digest: Buffer

	constructor(value: string) {
		this.#digest = sha256(value)
	}

	equals(candidate: string): boolean {
		return timingSafeEqual(this.#digest, sha256(candidate))
	}
}

/** The token of an `Authorization: Bearer …` header; the scheme's case does not matter. */
export function bearerToken(headers: Headers): string | null {
	// Nothing in it can match in two ways: a header of blanks must not cost time.
	const match = /^bearer +(.*)$/i.exec(headers.get('authorization') ?? '')
	return match?.[1]?.trimEnd() || null
}

function sha256(text: string): Buffer {
	return createHash('sha256').update(text).digest()
}
