/**
 * How long the socket of a request may be idle. Only the listener knows the server, and a request
 * may be a rewritten copy of the one that the server knows; routes only have their request.
 */

const setters = new WeakMap<Request, (seconds: number) => void>()

/** Called by the listener for each request that it passes on. */
export function bindConnection(request: Request, setIdleTimeout: (seconds: number) => void): void {
	setters.set(request, setIdleTimeout)
}

/** Closes the connection of `request` when no byte moves for `seconds`; 0 = never. */
export function setIdleTimeout(request: Request, seconds: number): void {
	setters.get(request)?.(seconds)
}
