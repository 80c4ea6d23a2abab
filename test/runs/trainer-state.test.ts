import { describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { News } from '../../src/runs/live-feed.ts'
import { readLastMetrics, readMetrics } from '../../src/runs/read-logs.ts'
import { families } from '../helpers/families.ts'
import { RunsFixture } from './runs-fixture.ts'

const states = join(import.meta.dir, '../fixtures/trainer-state')

/** A directory of Hugging Face's Trainer, with states that it wrote. */
class TrainerFixture implements Disposable {
	readonly runs: RunsFixture

	private constructor(runs: RunsFixture) {
		this.runs = runs
	}

	static async open(): Promise<TrainerFixture> {
		return new TrainerFixture(await RunsFixture.open())
	}

	/** Copies a model into `place` of the run, with that state beside it, and lets the server look. */
	async save(place: string, state: string | null, model = 'gpt2'): Promise<void> {
		const path = join(this.runs.path, 'run', place)
		mkdirSync(path, { recursive: true })
		// What was written long ago is at rest.
		const put = (from: string, name: string) => {
			cpSync(from, join(path, '.new'), { preserveTimestamps: true })
			renameSync(join(path, '.new'), join(path, name))
		}
		for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
			put(join(families, model, file), file)
		}
		if (state !== null) put(join(states, `${state}.json`), 'trainer_state.json')
		await this.look()
	}

	async look(): Promise<void> {
		await this.runs.store.rescan('run')
		await this.runs.runs.ready()
	}

	get served() {
		const run = this.runs.store.find('run')
		return run && { step: run.step, steps: run.steps, path: run.served.path.split('/').at(-1) }
	}

	get training() {
		return this.runs.runs.find('run')!
	}

	[Symbol.dispose](): void {
		this.runs[Symbol.dispose]()
	}
}

describe('what Trainer logged in trainer_state.json', () => {
	test('is the loss of the model and the metrics of its training, by our names', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'step-8')
		const { store } = fixture.runs
		expect(store.find('run')).toMatchObject({
			lastLoss: 3.35577392578125,
			trainConfig: { iters: 16, batchSize: 4 },
		})
		const metrics = await readMetrics(fixture.training, 100)
		expect(metrics.map(({ step }) => step)).toEqual([2, 4, 6, 8])
		expect(metrics[1]).toMatchObject({
			step: 4,
			loss: 3.5810112953186035,
			valLoss: 3.5255420207977295,
			gradNorm: 0.8876370191574097,
			lr: 0.008125,
			epoch: 0.25,
		})
		const { points, lineCount } = await store.lossSeries('run', 100)
		expect(points).toEqual(metrics as typeof points)
		expect(lineCount).toBe(4)
		expect(await readLastMetrics(fixture.training, 2)).toEqual(metrics.slice(2))
		expect(fixture.training).toMatchObject({
			latestStep: 8,
			totalSteps: 16,
			bestValLoss: 3.35577392578125,
			metricCount: 4,
		})
	})

	test('grows with each checkpoint, and watchers hear what is new only', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'step-8')
		const watcher = fixture.runs.runs.feed.watch('run')
		await fixture.save('checkpoint-24', 'resumed-to-24', 'gpt2-fp16')
		expect(fixture.served).toEqual({ step: 24, steps: [8, 24], path: 'checkpoint-24' })
		const news = (await watcher.next()).value as News[]
		const told = news.filter(({ type }) => type === 'metrics')
		expect(told).toHaveLength(1)
		const { metrics } = JSON.parse(`{${told[0]!.fields}}`) as { metrics: { step: number }[] }
		expect(metrics.map(({ step }) => step)).toEqual([10, 12, 14, 16, 18, 20, 22, 24])
		expect(fixture.training).toMatchObject({ totalSteps: 24, state: 'completed' })
	})

	test('may hold NaN, as of a training that diverged', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'diverged')
		expect(fixture.runs.store.find('run')?.lastLoss).toBeNull()
		const metrics = await readMetrics(fixture.training, 100)
		expect(metrics).toHaveLength(4)
		expect(metrics[1]).toMatchObject({
			step: 4,
			loss: null,
			valLoss: null,
			gradNorm: null,
			lr: 0.00625,
		})
	})

	test('stays as it was known while it is half written', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'step-8')
		writeFileSync(
			join(fixture.runs.path, 'run/checkpoint-8/trainer_state.json'),
			'{"log_history": [',
		)
		await fixture.look()
		expect(fixture.runs.store.find('run')?.lastLoss).toBe(3.35577392578125)
	})

	test('yields to a training log, should there be one', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'step-8')
		writeFileSync(join(fixture.runs.path, 'run/metrics.jsonl'), '{"step":1,"loss":9}\n')
		await fixture.look()
		expect(fixture.runs.store.find('run')?.lastLoss).toBe(9)
		await fixture.look()
		expect(fixture.training).toMatchObject({ latestStep: 8, metricCount: 1, lastLoss: 9 })
		expect(await readMetrics(fixture.training, 9)).toEqual([{ step: 1, loss: 9 }])
	})

	test('goes with the model', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'step-8')
		rmSync(join(fixture.runs.path, 'run'), { recursive: true })
		await fixture.look()
		expect(fixture.runs.store.trainerState('run')).toBeNull()
		expect(fixture.runs.runs.find('run')).toBeUndefined()
	})
})

describe('a final model beside step directories', () => {
	test('is of the step that its state tells, and stands for that step', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'step-8')
		await fixture.save('checkpoint-16', null)
		await fixture.save('.', 'end-of-16', 'gpt2-fp16')
		expect(fixture.served).toEqual({ step: 16, steps: [8, 16], path: 'run' })
		expect(fixture.runs.store.find('run')?.lastLoss).toBe(3.1918582916259766)
		expect((await readLastMetrics(fixture.training, 1))[0]).toMatchObject({
			train_loss: 3.421100229024887,
		})
	})

	test('is passed by steps of a training that went on', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('.', 'end-of-16', 'gpt2-fp16')
		await fixture.save('checkpoint-24', 'resumed-to-24')
		expect(fixture.served).toEqual({ step: 24, steps: [16, 24], path: 'checkpoint-24' })
		expect(fixture.runs.store.find('run')?.lastLoss).toBe(3.1294608116149902)
	})

	test('counts as the end of the training where no state tells its step', async () => {
		using fixture = await TrainerFixture.open()
		await fixture.save('checkpoint-8', 'step-8')
		await fixture.save('.', null, 'gpt2-fp16')
		expect(fixture.served).toEqual({ step: 8, steps: [8], path: 'run' })
	})
})
