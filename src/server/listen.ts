/** The listener: sockets and their timeouts, and requests in the form that the router can read. */
import type { Server } from 'bun'
import type { createApp } from './app.ts'
import { compressed } from './compression.ts'
import type { Connection, Connections } from './connections.ts'
import { pathStart, requestPath } from './request-rules.ts'
import { closingBehindUnread } from './unread-body.ts'

export interface ListenOptions {
	readonly host: string
	/** 0 = any free port. */
	readonly port: number
	/** PEM; null = without TLS. */
	readonly tls?: { readonly cert: string; readonly key: string } | null
	/** A connection that neither sends nor accepts a byte this long is closed. */
	readonly idleSeconds: number
	/** Of the app. */
	readonly connections: Connections
}

/** Starts to serve. Throws when the port cannot be had, or the certificate and key cannot be used. */
export function listen(
	app: ReturnType<typeof createApp>,
	{ host, port, tls = null, idleSeconds, connections }: ListenOptions,
): Server<undefined> {
	return Bun.serve({
		hostname: host,
		port,
		// The routes have limits of their own; Bun's answer to a larger body would be a bare 413.
		maxRequestBodySize: Number.MAX_SAFE_INTEGER,
		idleTimeout: idleSeconds,
		...(tls === null ? {} : { tls: { cert: tls.cert, key: tls.key } }),
		development: false,
		// Outside of development Bun would share a port with whoever listens there already.
		reusePort: false,
		fetch(request, server) {
			const routable = toRoutable(request)
			connections.bind(routable, new SocketConnection(server, request))
			return answerOf(app, routable)
		},
	})
}

/** Each stream has one as long as it lasts. */
class SocketConnection implements Connection {
	readonly #server: Server<undefined>
	readonly #request: Request
	#address: string | null = null

	constructor(server: Server<undefined>, request: Request) {
		this.#server = server
		this.#request = request
	}

	setIdleTimeout(seconds: number): void {
		this.#server.timeout(this.#request, seconds)
	}

	/** Asked for several times, and each look is a tenth of what a refusal costs. */
	address(): string | null {
		this.#address ??= this.#server.requestIP(this.#request)?.address ?? null
		return this.#address
	}
}

/** The app's answer in the form in which it is sent. */
async function answerOf(app: ReturnType<typeof createApp>, request: Request): Promise<Response> {
	const answer = closingBehindUnread(request, await app.fetch(request))
	return request.method === 'HEAD' ? withoutFalseLength(answer) : compressed(request, answer)
}

/** Elysia counts a body where HEAD has none. An answer with a transfer coding is of no known length. */
function withoutFalseLength(answer: Response): Response {
	if (answer.headers.has('transfer-encoding')) answer.headers.delete('content-length')
	return answer
}

/**
 * The router takes the path from behind the 11th character of the URL and knows no empty segments.
 * Requests without Host, with a very short one, or with doubled slashes get a URL that fits.
 */
function toRoutable(request: Request): Request {
	const { url } = request
	const start = pathStart(url)
	const path = requestPath(request)
	if (start >= 'http://1234'.length && !path.includes('//')) return request
	const search = url.slice(start + path.length)
	return new Request(`http://localhost${path.replace(/\/{2,}/g, '/')}${search}`, request)
}
