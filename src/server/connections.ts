/**
 * Sockets of requests. Only the listener knows the server, and a request may be a rewritten copy of the
 * one that the server knows; routes only have their request.
 */

/** Stands for the address of a client that has gone, or that never had a socket. */
export const unknownAddress = 'unknown'

export interface Connection {
	/** Closes it when no byte moves for so long; 0 = never. */
	setIdleTimeout(seconds: number): void
	/** Address of the client; null when it has gone. */
	address(): string | null
}

export interface Timeouts {
	/** A client that takes no byte of a running answer for so long is cut off. */
	readonly stallSeconds: number
	/** A connection between two requests is closed after so long. */
	readonly idleSeconds: number
}

export class Connections {
	readonly #timeouts: Timeouts
	readonly #connections = new WeakMap<Request, Connection>()

	constructor(timeouts: Timeouts) {
		this.#timeouts = timeouts
	}

	/** Called by the listener for each request that it passes on. */
	bind(request: Request, connection: Connection): void {
		this.#connections.set(request, connection)
	}

	/** Address of the client; `unknownAddress` where there is no socket. */
	addressOf(request: Request): string {
		return this.#connections.get(request)?.address() ?? unknownAddress
	}

	/** From now on the client must take bytes of its answer. */
	timeReader(request: Request): void {
		this.#setIdleTimeout(request, this.#timeouts.stallSeconds)
	}

	/** From now on no byte may move for as long as it takes: the model or the disk is at work. */
	suspendTimeout(request: Request): void {
		this.#setIdleTimeout(request, 0)
	}

	/** The answer has ended: the connection waits for the next request. */
	rest(request: Request): void {
		this.#setIdleTimeout(request, this.#timeouts.idleSeconds)
	}

	/** Does work during which no byte moves on the socket. */
	async withoutIdleTimeout<T>(request: Request, work: () => Promise<T>): Promise<T> {
		this.suspendTimeout(request)
		try {
			return await work()
		} finally {
			this.rest(request)
		}
	}

	#setIdleTimeout(request: Request, seconds: number): void {
		this.#connections.get(request)?.setIdleTimeout(seconds)
	}
}
