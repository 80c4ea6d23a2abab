/** Why a file of a run, or a whole run, cannot be used. */
export interface RunFault {
	/** `incomplete` may still arrive, `damaged` needs repair. */
	readonly kind: 'incomplete' | 'damaged'
	/** Public: what was expected and what was found, never a path. */
	readonly reason: string
}

/** All reasons in one sentence; damaged as soon as one of them is. Null for no fault. */
export function joinFaults(faults: readonly RunFault[]): RunFault | null {
	if (faults.length === 0) return null
	const isDamaged = faults.some(({ kind }) => kind === 'damaged')
	return {
		kind: isDamaged ? 'damaged' : 'incomplete',
		reason: faults.map(({ reason }) => reason).join('; '),
	}
}
