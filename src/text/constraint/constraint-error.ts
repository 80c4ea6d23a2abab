/** Longest message: it may quote what a client sent. */
const MESSAGE_LENGTH_MAX = 500

/** Why a format cannot be enforced; the wire makes it a 400 of its `response_format` field. */
export class ConstraintError extends Error {
	override readonly name = 'ConstraintError'
	/** `invalid_value`: not a JSON Schema. `unsupported_value`: one that we or the model cannot do. */
	readonly code: 'invalid_value' | 'unsupported_value'

	constructor(code: 'invalid_value' | 'unsupported_value', message: string) {
		super(message.slice(0, MESSAGE_LENGTH_MAX))
		this.code = code
	}
}
