/** Fresh ids and seeds; the dialects get them as values. */
import type { ModelLease } from '../models/catalog.ts'
import type { AnswerHead } from '../openai/answer.ts'

/** An id that no other answer has, for instance `chatcmpl-0f3c…`. */
export function freshId(prefix: string): string {
	return prefix + crypto.randomUUID().replaceAll('-', '')
}

/** The seed of a request that names none. */
export function freshSeed(): number {
	const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
	return (high & 0x1f_ffff) * 2 ** 32 + low
}

export function unixSeconds(): number {
	return Math.floor(Date.now() / 1000)
}

/** Facts that every object of one answer repeats. */
export function newAnswerHead(prefix: string, lease: ModelLease): AnswerHead {
	return {
		id: freshId(prefix),
		created: unixSeconds(),
		model: lease.id,
		systemFingerprint: `fp_${lease.fingerprint.slice(0, 12)}`,
	}
}
