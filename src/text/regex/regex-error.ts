/** Why a pattern cannot be compiled: a clause that goes on "the pattern …". */
export class RegexError extends Error {
	override readonly name = 'RegexError'
	/** `invalid`: not a regular expression. `unsupported`: one that is beyond the subset or its limits. */
	readonly kind: 'invalid' | 'unsupported'

	constructor(kind: 'invalid' | 'unsupported', message: string) {
		super(message)
		this.kind = kind
	}
}
