/** Training runs over a fresh checkpoints directory, with a clock that tests set. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type CheckpointStore, openStore } from '../../src/checkpoint/store/store.ts'
import type { Report, TrainingEvent } from '../../src/runs/report.ts'
import { TrainingRuns } from '../../src/runs/training-runs.ts'
import { tempDir } from '../helpers/temp-dir.ts'

export const minute = 60_000

export class RunsFixture implements Disposable {
	readonly #temp = tempDir()
	readonly path = join(this.#temp.path, 'checkpoints')
	nowMs = Date.parse('2026-03-01T12:00:00Z')
	store!: CheckpointStore
	runs!: TrainingRuns

	private constructor() {
		mkdirSync(this.path)
	}

	static async open(): Promise<RunsFixture> {
		const fixture = new RunsFixture()
		await fixture.restart()
		return fixture
	}

	/** What a new process would know. */
	async restart(): Promise<void> {
		this.runs?.close()
		this.store?.close()
		this.store = await openStore({ directory: this.path, log: () => {} })
		this.runs = new TrainingRuns({ store: this.store, log: () => {}, now: () => this.nowMs })
		await this.runs.ready()
	}

	async report(...reports: readonly Report[]): Promise<void> {
		for (const report of reports) await this.runs.report(report)
	}

	pathOf(run: string, file: string): string {
		return join(this.path, run, file)
	}

	[Symbol.dispose](): void {
		this.runs.close()
		this.store.close()
		this.#temp[Symbol.dispose]()
	}
}

/** The start of a training of `iters` steps. */
export function start(runId: string, iters = 100): Report {
	return {
		type: 'run_start',
		runId,
		domain: 'novels',
		modelConfig: { blockSize: 64 },
		trainConfig: { iters },
		totalParams: 1000,
		infra: { hostname: 'shed' },
	}
}

/** Metrics of the steps `from` … `to`; every tenth has a validation loss. */
export function metrics(
	runId: string,
	from: number,
	to: number,
	loss = (step: number) => 5 / step,
): Report {
	const steps = Array.from({ length: to - from + 1 }, (_, i) => from + i)
	const points = steps.map((step) => ({
		step,
		loss: loss(step),
		...(step % 10 === 0 ? { valLoss: loss(step) + 0.1 } : {}),
	}))
	return { type: 'metrics', runId, points }
}

export function event(fields: Partial<TrainingEvent> = {}): TrainingEvent {
	return {
		step: 1,
		level: 'info',
		kind: 'eval_summary',
		message: 'eval',
		payload: null,
		timestamp: '2026-03-01T12:00:00.000Z',
		...fields,
	}
}
