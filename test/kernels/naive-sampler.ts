/** The sampler of kernels.h once more, sorting everything: what the kernel is compared with. */

export interface NaiveDraw {
	readonly temperature: number
	readonly topK: number
	readonly topP: number
	readonly minP: number
	readonly seed: readonly [number, number]
	readonly choice: number
	readonly counter: number
}

const { fround } = Math

/** Philox4x32-10 by its definition in Salmon et al. 2011, with BigInt arithmetic. */
export function philox(
	key: readonly [number, number],
	counter: readonly [number, number, number, number],
): number[] {
	let [k0, k1] = key.map(BigInt) as [bigint, bigint]
	let c = counter.map(BigInt) as [bigint, bigint, bigint, bigint]
	const word = 0xffffffffn
	for (let round = 0; round < 10; round++) {
		const left = 0xd2511f53n * c[0]
		const right = 0xcd9e8d57n * c[2]
		c = [(right >> 32n) ^ c[1] ^ k0, right & word, (left >> 32n) ^ c[3] ^ k1, left & word]
		k0 = (k0 + 0x9e3779b9n) & word
		k1 = (k1 + 0xbb67ae85n) & word
	}
	return c.map(Number)
}

function uniform(draw: NaiveDraw): number {
	const [high, low] = philox(draw.seed, [draw.counter, draw.choice, 0, 0]) as [number, number]
	return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53
}

function argMax(logits: Float32Array): number {
	let best = 0
	for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id
	return best
}

/** The token that the definition says; logits must not contain NaN. */
export function naiveSample(logits: Float32Array, draw: NaiveDraw): number {
	if (draw.temperature === 0 || draw.topK === 1) return argMax(logits)
	const factor = fround(1 / fround(draw.temperature))
	const z = [...logits].map((logit) => fround(logit * factor))
	const max = Math.max(...z)
	if (!Number.isFinite(max)) return argMax(logits)
	let kept = z.map((value, id) => ({ id, value, p: fround(Math.exp(fround(value - max))) }))
	if (draw.topK > 0 && draw.topK < z.length) {
		const threshold = [...z].sort((a, b) => b - a)[draw.topK - 1]!
		kept = kept.filter(({ value }) => value >= threshold)
	}
	const topP = fround(draw.topP)
	if (topP < 1) {
		const target = topP * kept.reduce((sum, { p }) => sum + p, 0)
		const sorted = [...kept].sort((a, b) => b.p - a.p || a.id - b.id)
		let sum = 0
		const end = sorted.findIndex(({ p }) => {
			sum += p
			return sum >= target
		})
		const nucleus = new Set(sorted.slice(0, end === -1 ? undefined : end + 1))
		kept = kept.filter((candidate) => nucleus.has(candidate))
	}
	kept = kept.filter(({ p }) => p >= fround(draw.minP))
	const target = uniform(draw) * kept.reduce((sum, { p }) => sum + p, 0)
	let sum = 0
	return (
		kept.find(({ p }) => {
			sum += p
			return sum > target
		}) ?? kept[kept.length - 1]!
	).id
}
