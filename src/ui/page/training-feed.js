/** The runs as the server tells them: read once, then kept up to date by one stream of events. */
import { request } from './api.js'

/**
 * @typedef {{ id: string, run_id: string, name: string, status: string, domain: string | null, latest_step: number,
 *   total_iters: number | null, seconds_left: number | null, last_loss: number | null,
 *   best_val_loss: number | null, estimated_params: number | null, metric_count: number,
 *   checkpoint_steps: number[], created_at: string | null, updated_at: string, hostname: string | null,
 *   gpu_name: string | null, model_config: string, train_config: string,
 *   machine: Record<string, unknown>, last_metrics: Point | null }} TrainingRun a run of GET /api/runs
 *
 * @typedef {Record<string, unknown> & { step: number }} Point a line of the metrics
 *
 * @typedef {{ id: number, step: number | null, level: string, kind: string, message: string,
 *   created_at: string }} LogEvent
 *
 * @typedef {{ type: string, run: string, data: any }} News
 */

const RETRY_MS = 2000

/** Points of a run that are drawn; of more, every other one. */
const POINTS_MAX = 4000
const POINTS_READ = 2000

/** A run is stale when nothing has been heard for so long. */
const STALE_MS = 300_000

/** News that say all there is to know of them. */
const SMALL_NEWS = ['metrics', 'heartbeat', 'event']

export class TrainingFeed {
	/** @type {Map<string, TrainingRun>} */
	#runs = new Map()
	/** @type {Map<string, Point[]>} */
	#points = new Map()
	#onNews
	#isOpen = false
	/** The stream delivers; false while it is being opened again. */
	isLive = false

	/** @param {(news: News | null) => void} onNews null: all may have changed */
	constructor(onNews) {
		this.#onNews = onNews
	}

	/** Starts the stream; it is never closed while the page is there. */
	open() {
		if (this.#isOpen) return
		this.#isOpen = true
		this.#follow()
	}

	/** @returns {TrainingRun[]} those that run by their start, then the others by their last word; newest first */
	runs() {
		const runs = [...this.#runs.values()].map((run) => this.#aged(run))
		// Places must not change with each report.
		const key = (/** @type {TrainingRun} */ run) =>
			isRunning(run)
				? `1 ${run.created_at ?? run.updated_at} ${run.id}`
				: `0 ${run.updated_at} ${run.id}`
		return runs.sort((a, b) => (key(a) < key(b) ? 1 : -1))
	}

	/** @param {string} id */
	find(id) {
		const run = this.#runs.get(id)
		return run && this.#aged(run)
	}

	/**
	 * The metrics of a run as far as they are known.
	 * @param {string} id
	 * @returns {Point[]}
	 */
	points(id) {
		return this.#points.get(id) ?? []
	}

	/**
	 * Reads the metrics of a run; from then on they are kept.
	 * @param {string} id
	 */
	async load(id) {
		if (this.#points.has(id)) return
		/** @type {Point[]} */
		const points = []
		this.#points.set(id, points)
		try {
			const path = `api/runs/${encodeURIComponent(id)}/metrics?points=${POINTS_READ}`
			const earlier = await (await request(path)).json()
			// What has come meanwhile goes behind it.
			const meanwhile = points.splice(0)
			for (const point of [...earlier, ...meanwhile]) push(points, point)
		} catch (error) {
			this.#points.delete(id)
			throw error
		}
	}

	async #follow() {
		for (;;) {
			try {
				const response = await request('api/training/live')
				await this.#readRuns()
				for await (const { type, data } of events(response)) this.#take(type, data)
			} catch {
				// The line is down: it is said by `isLive`, and tried again.
			}
			this.isLive = false
			this.#onNews(null)
			await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
		}
	}

	async #readRuns() {
		/** @type {TrainingRun[]} */
		const runs = await (await request('api/runs')).json()
		this.#runs = new Map(runs.map((run) => [run.id, run]))
	}

	/**
	 * @param {string} type
	 * @param {any} data
	 */
	#take(type, data) {
		if (type === 'snapshot') {
			this.isLive = true
			for (const { metrics, ...run } of data) {
				this.#runs.set(run.id, run)
				const points = this.#points.get(run.id)
				if (points !== undefined) for (const point of metrics) push(points, point)
			}
			this.#onNews(null)
			return
		}
		const run = this.#runs.get(data.run)
		if (type === 'run_removed') this.#runs.delete(data.run)
		else if (run === undefined || !isRunning(run) || !SMALL_NEWS.includes(type)) {
			// Also one that had fallen silent or ended, and is heard again.
			this.#readRun(data.run)
		}
		if (run !== undefined) run.updated_at = new Date().toISOString()
		if (run !== undefined && type === 'metrics') this.#takeMetrics(run, data.metrics)
		this.#onNews({ type, run: data.run, data })
	}

	/**
	 * @param {TrainingRun} run
	 * @param {Point[]} metrics
	 */
	#takeMetrics(run, metrics) {
		const last = metrics.at(-1)
		if (last === undefined) return
		const points = this.#points.get(run.id)
		for (const point of metrics) {
			if (points !== undefined) push(points, point)
			const valLoss = number(point['valLoss'])
			if (valLoss !== null) run.best_val_loss = Math.min(run.best_val_loss ?? valLoss, valLoss)
		}
		const stepMs = number(last['ms_per_iter'])
		run.latest_step = last.step
		run.last_loss = number(last['valLoss']) ?? number(last['loss'])
		run.last_metrics = last
		run.metric_count += metrics.length
		if (stepMs !== null && run.total_iters !== null) {
			run.seconds_left = ((run.total_iters - run.latest_step) * stepMs) / 1000
		}
	}

	/** @param {string} id */
	async #readRun(id) {
		const response = await request(`api/runs/${encodeURIComponent(id)}`).catch(() => null)
		if (response === null) return
		/** @type {TrainingRun} */
		const run = await response.json()
		this.#runs.set(run.id, run)
		this.#onNews({ type: 'run', run: run.id, data: null })
	}

	/**
	 * Nobody tells that a run has fallen silent: the clock does.
	 * @param {TrainingRun} run
	 * @returns {TrainingRun}
	 */
	#aged(run) {
		const isSilent = Date.now() - Date.parse(run.updated_at) > STALE_MS
		return isRunning(run) && isSilent ? { ...run, status: 'stale', seconds_left: null } : run
	}
}

/** @param {TrainingRun} run */
function isRunning({ status }) {
	return status === 'training' || status === 'active'
}

/**
 * Adds a point; a step that comes again replaces what came behind it, and adds to what is known of it.
 * @param {Point[]} points
 * @param {Point} point
 */
function push(points, point) {
	while (points.length > 0 && (points.at(-1)?.step ?? 0) > point.step) points.pop()
	const last = points.at(-1)
	if (last?.step === point.step) points[points.length - 1] = { ...last, ...point }
	else points.push(point)
	if (points.length < POINTS_MAX) return
	// The newest stay; of the older ones every other goes, unless it was an evaluation.
	const kept = points.filter((each, i) => i % 2 === 1 || number(each['valLoss']) !== null)
	points.splice(0, points.length, ...kept)
}

/** @param {unknown} value */
function number(value) {
	return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/**
 * The events of a stream, until it ends.
 * @param {Response} response
 * @returns {AsyncGenerator<{ type: string, data: any }>}
 */
async function* events(response) {
	const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
	if (reader === undefined) return
	let buffer = ''
	for (;;) {
		const { done, value } = await reader.read()
		if (done) return
		buffer += value
		const blocks = buffer.split('\n\n')
		buffer = blocks.pop() ?? ''
		for (const block of blocks) {
			const lines = block.split('\n')
			const type = lines.find((line) => line.startsWith('event: '))?.slice('event: '.length)
			const data = lines.find((line) => line.startsWith('data: '))?.slice('data: '.length)
			if (type !== undefined && data !== undefined) yield { type, data: JSON.parse(data) }
		}
	}
}
