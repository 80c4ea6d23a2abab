/** Training runs in the shapes of the trainer's own dashboard. */
import type { CheckpointVersion } from '../checkpoint/store/checkpoint-version.ts'
import type { EventRow } from '../runs/entries.ts'
import type { News } from '../runs/live-feed.ts'
import type { JsonObject, SampleSet } from '../runs/report.ts'
import type { RunOverview } from '../runs/training-runs.ts'
import type {
	CheckpointRow,
	DomainRow,
	EventRowSchema,
	MetricsRow,
	SampleRow,
	TrainingRunRow,
} from './schemas/runs.ts'

export function toRunRow(run: RunOverview): TrainingRunRow {
	const { modelConfig, trainConfig, machine, checkpointSteps } = run
	return {
		id: run.name,
		run_id: run.runId,
		name: run.title,
		status: run.state,
		domain: run.domain,
		latest_step: run.latestStep,
		total_iters: run.totalSteps,
		seconds_left: run.secondsLeft,
		last_loss: run.lastLoss,
		best_val_loss: run.bestValLoss,
		estimated_params: run.totalParams,
		metric_count: run.metricCount,
		checkpoint_count: checkpointSteps.length,
		latest_checkpoint_step: checkpointSteps.at(-1) ?? null,
		checkpoint_steps: [...checkpointSteps],
		created_at: run.startedAtMs === null ? null : new Date(run.startedAtMs).toISOString(),
		updated_at: new Date(run.lastHeardMs).toISOString(),
		vocab_size: numberOrNull(modelConfig['vocabSize']),
		block_size: numberOrNull(modelConfig['blockSize']),
		n_layer: numberOrNull(modelConfig['nLayer']),
		n_embd: numberOrNull(modelConfig['nEmbd']),
		n_head: numberOrNull(modelConfig['nHead']),
		batch_size: numberOrNull(trainConfig['batchSize']),
		lr: numberOrNull(trainConfig['lr']),
		hostname: textOrNull(machine['hostname']),
		gpu_name: textOrNull(machine['gpuName']),
		gpu_vendor: textOrNull(machine['gpuVendor']),
		gpu_vram_mb: numberOrNull(machine['gpuVramMb']),
		cpu_count: numberOrNull(machine['cpuCount']),
		ram_total_mb: numberOrNull(machine['ramTotalMb']),
		os_platform: textOrNull(machine['osPlatform']),
		model_config: JSON.stringify(modelConfig),
		train_config: JSON.stringify(trainConfig),
		machine,
		last_metrics: run.lastPoint,
	}
}

/** How far a run is, as GET /api/events tells it. */
export function toProgress({ name, state, latestStep, totalSteps, lastLoss }: RunOverview) {
	return { run: name, status: state, step: latestStep, totalSteps, loss: lastLoss }
}

/** True for a run that `?status=` asks for; who asks for active runs wants those that report. */
export function hasStatus(run: RunOverview, status: TrainingRunRow['status']): boolean {
	return run.state === status || (status === 'active' && run.state === 'training')
}

export function toMetricsRow(runId: string, point: JsonObject): MetricsRow {
	return {
		...point,
		run_id: runId,
		step: point['step'] as number,
		loss: numberOrNull(point['loss']),
		val_loss: numberOrNull(point['valLoss'] ?? point['val_loss']),
		grad_norm: numberOrNull(point['gradNorm'] ?? point['grad_norm']),
	}
}

export function toEventRow(runId: string, { timestamp, ...event }: EventRow): EventRowSchema {
	return { ...event, run_id: runId, created_at: timestamp }
}

export function toSampleRows(runId: string, set: SampleSet): SampleRow[] {
	const { step, samples, trend, timestamp } = set
	return samples.map(({ prompt, output }, idx) => {
		return { run_id: runId, step, idx, prompt, output, trend, created_at: timestamp }
	})
}

export function toCheckpointRow(run: RunOverview, version: CheckpointVersion): CheckpointRow {
	const { step, path, sizeBytes, mtimeMs } = version
	return {
		run_id: run.runId,
		step,
		model: `${run.name}@${step}`,
		filename: path.slice(path.lastIndexOf('/') + 1),
		file_size: sizeBytes,
		created_at: new Date(mtimeMs).toISOString(),
	}
}

/** The domains that runs have, each with the settings of the run that was heard of last. */
export function toDomainRows(runs: readonly RunOverview[]): DomainRow[] {
	const rows = new Map<string, DomainRow>()
	for (const { domain, modelConfig, trainConfig } of runs) {
		if (domain === null || rows.has(domain)) continue
		rows.set(domain, {
			id: domain,
			display_name: domain,
			tokenizer: textOrNull(trainConfig['tokenizer']) ?? '',
			sample_prompts: [],
			model_defaults: modelConfig,
			train_defaults: trainConfig,
		})
	}
	return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** The event that watchers get for some news. Made once, however many watch. */
export function newsFrame(news: News): string {
	const known = frames.get(news)
	if (known !== undefined) return known
	const { type, run, runId, fields } = news
	const ids = `"runId":${JSON.stringify(runId)},"run":${JSON.stringify(run)}`
	const frame = `event: ${type}\ndata: {${ids}${fields === '' ? '' : `,${fields}`}}\n\n`
	frames.set(news, frame)
	return frame
}

const frames = new WeakMap<News, string>()

/** The event with which a stream begins: the runs that report, with their last metrics. */
export function snapshotFrame(
	runs: readonly { readonly run: RunOverview; readonly metrics: readonly JsonObject[] }[],
): string {
	const rows = runs.map(({ run, metrics }) => ({
		...toRunRow(run),
		metrics: metrics.map((point) => toMetricsRow(run.runId, point)),
	}))
	return `event: snapshot\ndata: ${JSON.stringify(rows)}\n\n`
}

function numberOrNull(value: unknown): number | null {
	return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function textOrNull(value: unknown): string | null {
	return typeof value === 'string' ? value : null
}
