import type { Dtype } from '../../src/model/model-config.ts'
import type { Report } from './report.ts'

/** What is compared with whom. */
export interface Comparison {
	readonly model: string
	readonly dtype: Dtype
	readonly work: string
	readonly peer: string
	readonly unit: string
	/** Less is better. */
	readonly isTime?: boolean
}

/** Samples of both, of the same rounds. */
export interface PairedSamples {
	readonly ours: readonly number[]
	readonly theirs: readonly number[]
}

/** Both figures, and how many times as good ours is. */
export function addRatio(
	report: Report,
	{ model, dtype, work, peer, unit, isTime = false }: Comparison,
	{ ours, theirs }: PairedSamples,
): void {
	const subject = `${model} ${dtype}`
	report.add({ subject, name: `${work}, ${peer}`, unit, samples: theirs })
	report.add({ subject, name: `${work}, ours`, unit, samples: ours })
	const samples = ours.map((own, i) => (isTime ? theirs[i]! / own : own / theirs[i]!))
	report.add({ subject, name: `${work}, ours against ${peer}`, unit: '×', samples })
}
