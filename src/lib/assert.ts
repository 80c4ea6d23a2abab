/** Throws when an invariant of our own code does not hold; never used to check input. */
export function assert(condition: unknown, message: string): asserts condition {
	if (!condition) throw new Error(`invariant violated: ${message}`)
}

/** Ends an exhaustive `switch`; the compiler refuses the call while a case is missing. */
export function assertNever(value: never): never {
	throw new Error(`unexpected variant: ${JSON.stringify(value)}`)
}
