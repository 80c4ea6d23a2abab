/**
 * CORS: any origin may call, but never with credentials. Preflights are granted whatever headers
 * they ask for, because SDKs keep inventing new ones. Our own lines rather than @elysiajs/cors,
 * which marks every answer `Vary: *` and grants "undefined" to a preflight that names no header.
 */
import { Elysia } from 'elysia'

const exposedHeaders = 'x-request-id, retry-after, retry-after-ms, x-alpha-truncated-prompt-tokens'
const allowedMethods = 'GET, POST, OPTIONS'
const preflightSecondsMax = 86_400

/** Adds the headers to every answer and answers OPTIONS on every path. */
export function cors() {
	return new Elysia({ name: 'cors' }).onRequest(({ request, set }) => {
		set.headers['access-control-allow-origin'] = '*'
		set.headers['access-control-expose-headers'] = exposedHeaders
		if (request.method !== 'OPTIONS') return
		const asked = request.headers.get('access-control-request-headers')
		set.headers['access-control-allow-methods'] = allowedMethods
		set.headers['access-control-allow-headers'] = asked ?? 'authorization, content-type'
		set.headers['access-control-max-age'] = String(preflightSecondsMax)
		set.headers.vary = 'access-control-request-headers'
		return new Response(null, { status: 204 })
	})
}
