import { Fault } from '../../lib/fault.ts'

/**
 * A checkpoint that is refused: its bytes are `invalid`, or they were `unreadable`. The message names
 * the tensor, field or byte, what was expected and what came; what the system said is in `cause`.
 */
export class CheckpointError extends Fault {
	override readonly name = 'CheckpointError'

	constructor(message: string, options?: { kind?: 'invalid' | 'unreadable'; cause?: unknown }) {
		super(options?.kind ?? 'invalid', message, { cause: options?.cause })
	}
}
