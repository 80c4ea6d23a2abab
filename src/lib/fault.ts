/**
 * What went wrong, for whoever must decide what follows from it. The server turns kinds into statuses
 * and codes; nobody below it knows them.
 */
export type FaultKind =
	/** What is given cannot be used, whenever it is tried. */
	| 'invalid'
	/** It could not be read, which says nothing about it. */
	| 'unreadable'
	/** It is being replaced: another try meets something else. */
	| 'changing'
	/** Nothing has that name. */
	| 'not-found'
	/** Somebody else is doing the same, or the name is taken. */
	| 'conflict'
	/** Too much is under way at the moment. */
	| 'overloaded'
	| 'shutting-down'
	/** It would never fit into the memory there is. */
	| 'no-room'
	/** The disk is full. */
	| 'disk-full'
	/** The disk takes nothing at the moment, for instance because it is read-only. */
	| 'not-writable'
	/** Our own mistake: the message is for the log only. */
	| 'bug'

export interface FaultOptions {
	/** After how long another try makes sense, in seconds. */
	readonly retrySeconds?: number
	/** What the system said; never told to a client. */
	readonly cause?: unknown
}

/**
 * An expected failure. Its message is public unless it is a `bug`: what was expected and what came,
 * never a path, a stack or the system's own words.
 */
export class Fault extends Error {
	override readonly name: string = 'Fault'
	readonly kind: FaultKind
	readonly retrySeconds: number | undefined

	constructor(kind: FaultKind, message: string, options: FaultOptions = {}) {
		super(message, { cause: options.cause })
		this.kind = kind
		this.retrySeconds = options.retrySeconds
	}
}

/** True for a failure of one of these kinds. */
export function isFault(error: unknown, ...kinds: readonly FaultKind[]): error is Fault {
	return error instanceof Fault && kinds.includes(error.kind)
}
