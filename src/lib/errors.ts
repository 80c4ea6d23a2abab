/** What was thrown, in a sentence. */
export function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error)
}

/** What was thrown with where it happened: for the log only. */
export function stackOf(error: unknown): string {
	return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** The system's short code of a failed call, for instance ENOENT; '' for other errors. */
export function errorCode(error: unknown): string {
	return error instanceof Error && 'code' in error ? String(error.code) : ''
}
