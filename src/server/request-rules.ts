/** What holds for every request before its route is looked up: an id, CORS, one Host, a readable path. */
import { Elysia } from 'elysia'
import { malformedRequest } from '../wire/errors.ts'

/** A client's own request id is taken when it is short and printable. */
const saneRequestId = /^[\x21-\x7e]{1,128}$/

const exposedHeaders = 'x-request-id, retry-after, retry-after-ms, x-alpha-truncated-prompt-tokens'
const allowedMethods = 'GET, POST, DELETE, OPTIONS'
const PREFLIGHT_SECONDS_MAX = 86_400

/** `isDraining`: connections are not to be used again, so that no proxy sends a request into one that ends. */
export function requestRules(isDraining: () => boolean) {
	return new Elysia()
		.onRequest(({ request, set }) => {
			const id = request.headers.get('x-request-id') ?? ''
			set.headers['x-request-id'] = saneRequestId.test(id) ? id : crypto.randomUUID()
			if (isDraining()) set.headers.connection = 'close'
		})
		.use(cors())
		.onRequest(({ request }) => {
			// Bun joins repeated headers with commas, which no host contains.
			if (request.headers.get('host')?.includes(',')) {
				throw malformedRequest('more than one Host header')
			}
			// The router would take such a name for none at all.
			if (!isDecodable(requestPath(request))) {
				throw malformedRequest('the path is not UTF-8 in percent-encoding')
			}
		})
}

function isDecodable(path: string): boolean {
	if (!path.includes('%')) return true
	try {
		decodeURIComponent(path)
		return true
	} catch {
		return false
	}
}

/**
 * CORS: any origin may call, but never with credentials. Preflights are granted whatever headers
 * they ask for, because SDKs keep inventing new ones. Our own lines rather than @elysiajs/cors,
 * which marks every answer `Vary: *` and grants "undefined" to a preflight that names no header.
 */
function cors() {
	return new Elysia().onRequest(({ request, set }) => {
		set.headers['access-control-allow-origin'] = '*'
		set.headers['access-control-expose-headers'] = exposedHeaders
		if (request.method !== 'OPTIONS') return
		const asked = request.headers.get('access-control-request-headers')
		set.headers['access-control-allow-methods'] = allowedMethods
		set.headers['access-control-allow-headers'] = asked ?? 'authorization, content-type'
		set.headers['access-control-max-age'] = String(PREFLIGHT_SECONDS_MAX)
		set.headers.vary = 'access-control-request-headers'
		return new Response(null, { status: 204 })
	})
}

/** The path of a request's URL, without query; without `new URL`, which throws on some Hosts. */
export function requestPath({ url }: Request): string {
	const start = pathStart(url)
	const query = url.indexOf('?', start)
	return query === -1 ? url.slice(start) : url.slice(start, query)
}

/** Where the path starts in an absolute URL, or in the bare path of a request without Host. */
export function pathStart(url: string): number {
	const scheme = url.indexOf('://')
	const slash = url.indexOf('/', scheme === -1 || scheme > 5 ? 0 : scheme + 3)
	return slash === -1 ? url.length : slash
}
