/** What `alpha watch` shows, as text. No I/O. */
import type { EventRowSchema, TrainingRunRow } from '../../alpha/schemas/runs.ts'
import { isRecord } from '../../lib/json.ts'
import { formatEvent } from '../events.ts'
import { printable } from './server-client.ts'

/** What is known of a run while it is watched. */
export interface Watched {
	readonly run: TrainingRunRow
	/** The last losses, in order. */
	readonly losses: readonly number[]
	/** The last events, in order. */
	readonly events: readonly EventRowSchema[]
}

const LOSSES_MAX = 240

/** Silence that is worth a word, seconds. */
const SILENT_SECONDS = 60
const EVENTS_SHOWN = 6
const BARS = '▁▂▃▄▅▆▇█'

/** What is known after metrics have come. */
export function withMetrics(watched: Watched, metrics: unknown): Watched {
	const points = Array.isArray(metrics) ? metrics.filter(isRecord) : []
	const last = points.at(-1)
	if (last === undefined) return watched
	const losses = [...watched.losses, ...points.flatMap(({ loss }) => numberOf(loss) ?? [])]
	const { run } = watched
	const latestStep = numberOf(last['step']) ?? run.latest_step
	const best = points.flatMap(({ valLoss }) => numberOf(valLoss) ?? [])
	const stepMs = numberOf(last['ms_per_iter'])
	const left = run.total_iters === null ? null : run.total_iters - latestStep
	return {
		...watched,
		losses: losses.slice(-LOSSES_MAX),
		run: {
			...run,
			latest_step: latestStep,
			last_loss: numberOf(last['valLoss']) ?? numberOf(last['loss']),
			best_val_loss: Math.min(run.best_val_loss ?? Number.POSITIVE_INFINITY, ...best),
			seconds_left:
				left === null || stepMs === null ? run.seconds_left : Math.max(0, (left * stepMs) / 1000),
			last_metrics: last,
		},
	}
}

/** The screen for a run, lines without ends. `nowMs` is epoch milliseconds. */
export function watchLines(
	{ run, losses, events }: Watched,
	width: number,
	nowMs = Date.now(),
): readonly string[] {
	const machine = [run.domain, run.hostname, run.gpu_name]
		.filter((each) => each !== null)
		.join(' · ')
	const last: Readonly<Record<string, unknown>> = run.last_metrics ?? {}
	const best = Number.isFinite(run.best_val_loss) ? run.best_val_loss : null
	const rate = [
		named('loss', run.last_loss, 4),
		named('best validation', best, 4),
		named('lr', last['lr'], 6),
		named('grad', last['gradNorm'], 3),
		named('tok/s', last['tokens_per_sec'], 0),
		named('ms/step', last['ms_per_iter'], 0),
	]
	const lines = [
		printable(
			`${run.name}  ${run.status}${silence(run, nowMs)}${machine === '' ? '' : `  ${machine}`}`,
		),
		progressLine(run),
		rate.filter((each) => each !== '').join('  '),
		sparkLine(losses, Math.min(width, 100)),
		...events.slice(-EVENTS_SHOWN).map((event) => formatEvent(event).trimEnd()),
	]
	return lines.map((line) => [...line].slice(0, width).join(''))
}

/** How long an unfinished run has been silent; '' for a moment. */
function silence({ status, updated_at: heardAt }: TrainingRunRow, nowMs: number): string {
	const seconds = (nowMs - Date.parse(heardAt)) / 1000
	const isRunning = status === 'training' || status === 'active' || status === 'stale'
	if (!isRunning || !(seconds > SILENT_SECONDS)) return ''
	return `, nothing heard for ${formatDuration(seconds)}`
}

/** Values as bars, thinned to the width; '' for none. */
export function sparkLine(values: readonly number[], width: number): string {
	if (values.length === 0) return ''
	const count = Math.min(values.length, width)
	const means = Array.from({ length: count }, (_, i) => {
		const part = values.slice(
			Math.floor((i * values.length) / count),
			Math.floor(((i + 1) * values.length) / count),
		)
		return part.reduce((sum, value) => sum + value, 0) / part.length
	})
	const [low, high] = [Math.min(...means), Math.max(...means)]
	const span = high - low || 1
	return means.map((mean) => BARS[Math.round(((mean - low) / span) * (BARS.length - 1))]).join('')
}

/** Seconds in the largest unit that fits. */
export function formatDuration(seconds: number): string {
	if (seconds < 90) return `${Math.round(seconds)} s`
	if (seconds < 5400) return `${Math.round(seconds / 60)} min`
	return `${(seconds / 3600).toFixed(1)} h`
}

function progressLine({
	latest_step: step,
	total_iters: total,
	seconds_left: left,
}: TrainingRunRow) {
	if (total === null) return `step ${step}`
	const share = Math.min(1, step / total)
	const bar = '█'.repeat(Math.round(share * 30)).padEnd(30, '░')
	const rest = left === null ? '' : `  ${formatDuration(left)} left`
	return `step ${step} of ${total}  ${bar}  ${Math.floor(share * 100)} %${rest}`
}

function named(name: string, value: unknown, digits: number): string {
	const number = numberOf(value)
	return number === null ? '' : `${name} ${number.toFixed(digits)}`
}

function numberOf(value: unknown): number | null {
	return typeof value === 'number' && Number.isFinite(value) ? value : null
}
