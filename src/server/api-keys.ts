import { Elysia } from 'elysia'
import { invalidApiKey } from '../wire/errors.ts'
import { bearerToken, Secret } from './bearer.ts'
import { requestPath } from './request-path.ts'

/** Paths that need a key when there are keys: /v1 but its probe, /api and the aliases at the root. */
const protectedPath =
	/^\/(v1(?!\/health\/?$)|api|chat|models|completions|responses|embeddings|inference|tokenize|detokenize)(\/|$)/

/** What changes the served models needs the upload secret, which a key does not replace. */
const guardedPath = /^\/api\/(upload|models\/[^/]+\/(load|unload))\/?$/

/** Refuses callers without a key, before anything of their request is read. Without keys: no rule. */
export function apiKeys(keys: readonly string[]) {
	const secrets = keys.map((key) => new Secret(key))
	const app = new Elysia({ name: 'api-keys' })
	if (secrets.length === 0) return app
	return app.onRequest(({ request }) => {
		const path = requestPath(request)
		if (!protectedPath.test(path) || guardedPath.test(path)) return
		const token = bearerToken(request.headers) ?? ''
		// Every key is compared, so that the time does not tell which one came close.
		const matches = secrets.map((secret) => secret.equals(token))
		if (!matches.includes(true)) {
			throw invalidApiKey('Expected a valid API key as `Authorization: Bearer <key>`.')
		}
	})
}
