/** What a caller may be told, in the words of the wire's error object. */
export interface ApiErrorFields {
	/** HTTP status. */
	readonly status: number
	readonly type: string
	readonly code: string | null
	/** The request field at fault, for instance `messages[2].role`. */
	readonly param?: string | null
	/** Public text: what was expected and what came. Never a path, a stack or an OS message. */
	readonly message: string
	/** Seconds after which a retry makes sense; becomes the `Retry-After` header. */
	readonly retryAfterSeconds?: number
	/** Further response headers, for instance `Allow`. */
	readonly headers?: Readonly<Record<string, string>>
}

/** What was thrown, in a sentence. */
export function messageOf(error: unknown): string {
	return error instanceof Error ? error.message : String(error)
}

/** An error whose fields are safe to show to a client; the private half is `cause`, for the log. */
export class ApiError extends Error {
	override readonly name = 'ApiError'
	readonly status: number
	readonly type: string
	readonly code: string | null
	readonly param: string | null
	readonly retryAfterSeconds: number | undefined
	readonly headers: Readonly<Record<string, string>>

	constructor(fields: ApiErrorFields, options?: { cause?: unknown }) {
		super(fields.message, options)
		this.status = fields.status
		this.type = fields.type
		this.code = fields.code
		this.param = fields.param ?? null
		this.retryAfterSeconds = fields.retryAfterSeconds
		this.headers = fields.headers ?? {}
	}
}
