/** Facts that every object of one answer repeats. */
export interface AnswerHead {
	/** Unique per request, for instance `chatcmpl-…`. */
	readonly id: string
	/** Unix seconds. */
	readonly created: number
	/** The model that answers. */
	readonly model: string
	readonly systemFingerprint: string
}

/** The first keys of an answer object. */
export function headFields({ id, created, model, systemFingerprint }: AnswerHead, object: string) {
	return { id, object, created, model, system_fingerprint: systemFingerprint }
}
