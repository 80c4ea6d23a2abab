/** Encoding of a text in steps of at most a few milliseconds; its result are the ids. */
export type EncodeSteps = Generator<void, number[], void>

/** Units of work, each well below a microsecond, between two steps. */
export const STEP_UNITS = 4096

/** All steps at once. */
export function finishSteps(steps: EncodeSteps): number[] {
	for (;;) {
		const { done, value } = steps.next()
		if (done) return value
	}
}
