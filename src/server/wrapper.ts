import { Elysia } from 'elysia'

export type Answer = (request: Request) => Response | Promise<Response>

/**
 * A plugin around everything else: only there is the final status seen. Elysia wraps anew for each request; the
 * same comes out each time, and is made once.
 */
export function wrapper(name: string, wrap: (answer: Answer) => Answer) {
	let known: unknown = null
	let wrapped: Answer
	// Elysia takes wrappers of equal text for one unless they have names. It types what it wraps as a bare function.
	return new Elysia({ name }).wrap((handle) => {
		if (handle !== known) {
			known = handle
			wrapped = wrap(handle as unknown as Answer)
		}
		return wrapped
	})
}
