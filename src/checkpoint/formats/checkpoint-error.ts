/** Why a checkpoint cannot be used: its bytes are wrong, or they could not be read at all. */
export type CheckpointFault = 'invalid' | 'unreadable'

/**
 * A checkpoint that is refused. The message is public: it names the tensor, field or byte, what was
 * expected and what was found, never a path; what the system said is in `cause`.
 */
export class CheckpointError extends Error {
	override readonly name = 'CheckpointError'
	readonly fault: CheckpointFault

	constructor(message: string, options?: { fault?: CheckpointFault; cause?: unknown }) {
		super(message, { cause: options?.cause })
		this.fault = options?.fault ?? 'invalid'
	}
}
