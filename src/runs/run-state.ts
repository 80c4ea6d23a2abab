/* What a run is doing, decided from what is known of it. No I/O. */

/**
 * `training`: it reports and has no checkpoint yet. `active`: it reports, and a checkpoint can be talked
 * to. `stale`: nothing has been heard for `STALE_MS`, and it had not said that it was done.
 */
export type RunState = 'training' | 'active' | 'stale' | 'completed' | 'failed'

/** A run that is silent for longer is stale, milliseconds. */
const STALE_MS = 5 * 60_000

export interface RunEvidence {
	/** What its trainer said last; null where none has reported. */
	readonly declared: 'active' | 'completed' | 'failed' | null
	readonly latestStep: number
	/** Steps that the training shall have. */
	readonly totalSteps: number | null
	/** When anything of it was heard or written last, epoch milliseconds. */
	readonly lastHeardMs: number
	readonly hasCheckpoint: boolean
	/** The last thing that it told was an error. */
	readonly endsInError: boolean
}

export function judgeState(run: RunEvidence, nowMs: number): RunState {
	if (run.declared === 'completed' || run.declared === 'failed') return run.declared
	const isDone = run.totalSteps !== null && run.latestStep >= run.totalSteps
	// Nobody tells when a training without a reporter ends; one with a reporter may still upload.
	if (isDone && run.declared === null) return 'completed'
	if (nowMs - run.lastHeardMs < STALE_MS) return run.hasCheckpoint ? 'active' : 'training'
	if (isDone) return 'completed'
	return run.endsInError ? 'failed' : 'stale'
}
