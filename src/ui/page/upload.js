/** Sending runs from the page: a directory is dropped or chosen, its checkpoints go in pieces. */
import { request } from './api.js'
import { create } from './dom.js'
import { withSecret } from './secret.js'
import { formatBytes, formatWhole } from './training-format.js'

/** @typedef {{ name: string, file: (name: string) => File | undefined, checkpoints: { step: number, file: File }[] }} RunFiles */

const PIECE_BYTES = 4 * 1024 * 1024

const CHECKPOINT = /^checkpoint-(\d{1,15})\.json$/

export class Upload {
	element = create('section', { class: 'upload', 'aria-label': 'Send a run' })
	#jobs = create('ul', { 'aria-live': 'polite' })
	#onDone

	/** @param {(id: string) => void} onDone */
	constructor(onDone) {
		this.#onDone = onDone
		const input = create('input', {
			type: 'file',
			multiple: '',
			webkitdirectory: '',
			class: 'offscreen',
			tabindex: '-1',
			'aria-label': 'Directory of a run',
		})
		const choose = create('button', { type: 'button' }, 'Choose a directory')
		choose.addEventListener('click', () => input.click())
		input.addEventListener('change', () => {
			const files = [...(input.files ?? [])].map((file) => ({
				path: file.webkitRelativePath || file.name,
				file,
			}))
			this.#send(files)
			input.value = ''
		})
		this.element.append(
			create('p', {}, 'Drop the directory of a run here, with its config.json and checkpoints, or'),
			choose,
			input,
			this.#jobs,
		)
	}

	/**
	 * Takes what is dropped on an element.
	 * @param {HTMLElement} target
	 */
	listen(target) {
		const isFiles = (/** @type {DragEvent} */ { dataTransfer }) =>
			dataTransfer?.types.includes('Files') ?? false
		target.addEventListener('dragover', (event) => {
			if (!isFiles(event)) return
			event.preventDefault()
			this.element.classList.add('over')
		})
		target.addEventListener('dragleave', () => this.element.classList.remove('over'))
		target.addEventListener('drop', async (event) => {
			if (!isFiles(event)) return
			event.preventDefault()
			this.element.classList.remove('over')
			// The list is empty as soon as somebody has waited.
			const entries = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry())
			const files = await Promise.all(
				entries.map((entry) => (entry === null ? [] : filesOf(entry))),
			)
			this.#send(files.flat())
		})
	}

	/** @param {{ path: string, file: File }[]} files */
	async #send(files) {
		const runs = runsOf(files)
		if (runs.length === 0) {
			this.#jobs.append(
				create(
					'li',
					{ class: 'failed' },
					`Expected config.json with checkpoint-<step>.json beside it, got ${listOf(files.map(({ path }) => path))}.`,
				),
			)
		}
		for (const run of runs) {
			for (const checkpoint of run.checkpoints) await this.#sendCheckpoint(run, checkpoint)
		}
	}

	/**
	 * @param {RunFiles} run
	 * @param {{ step: number, file: File }} checkpoint
	 */
	async #sendCheckpoint(run, { step, file }) {
		const bar = create('progress', {
			max: String(file.size || 1),
			'aria-label': `${run.name}, step ${step}`,
		})
		bar.value = 0
		const said = create(
			'span',
			{},
			`${run.name}, step ${formatWhole(step)}, ${formatBytes(file.size)}`,
		)
		const stop = create('button', { type: 'button', class: 'quiet' }, 'Stop')
		const job = create('li', {}, said, bar, stop)
		this.#jobs.prepend(job)
		const stopping = new AbortController()
		stop.addEventListener('click', () => stopping.abort())
		try {
			const config = JSON.parse((await run.file('config.json')?.text()) ?? '')
			const metrics = await run.file('metrics.jsonl')?.text()
			const answer = await withSecret((authorization) =>
				sendPieces(
					file,
					{ name: run.name, step, config, ...(metrics === undefined ? {} : { metrics }) },
					{ authorization, signal: stopping.signal, sent: (bytes) => (bar.value = bytes) },
				),
			)
			job.className = answer === null ? 'failed' : 'done'
			said.textContent =
				answer === null
					? `${run.name}, step ${formatWhole(step)}: not sent`
					: `${answer.name}, step ${formatWhole(answer.step)}: is served`
			if (answer !== null) this.#onDone(answer.name)
		} catch (error) {
			job.className = 'failed'
			const reason = stopping.signal.aborted
				? 'stopped'
				: error instanceof Error
					? error.message
					: error
			said.textContent = `${run.name}, step ${formatWhole(step)}: ${reason}`
		} finally {
			bar.remove()
			stop.remove()
		}
	}
}

/**
 * @param {File} file
 * @param {{ name: string, step: number, config: unknown, metrics?: string }} fields
 * @param {{ authorization: string, signal: AbortSignal, sent: (bytes: number) => void }} options
 * @returns {Promise<{ name: string, step: number }>}
 */
async function sendPieces(file, fields, { authorization, signal, sent }) {
	const uploadId = [...crypto.getRandomValues(new Uint32Array(4))].join('-')
	const total = Math.max(1, Math.ceil(file.size / PIECE_BYTES))
	for (let i = 0; i < total; i++) {
		const end = Math.min(file.size, (i + 1) * PIECE_BYTES)
		const headers = {
			authorization,
			'content-type': 'application/octet-stream',
			'x-upload-id': uploadId,
			'x-chunk-index': String(i),
			'x-total-chunks': String(total),
		}
		const body = file.slice(i * PIECE_BYTES, end)
		await request('api/upload/chunk', { method: 'POST', headers, body, signal })
		sent(end)
	}
	const headers = { authorization, 'content-type': 'application/json' }
	const body = JSON.stringify({ uploadId, totalChunks: total, ...fields })
	return (await request('api/upload/assemble', { method: 'POST', headers, body, signal })).json()
}

/**
 * Runs among files: a directory with config.json and checkpoints.
 * @param {{ path: string, file: File }[]} files
 * @returns {RunFiles[]}
 */
function runsOf(files) {
	const directories = Map.groupBy(files, ({ path }) => path.split('/').slice(0, -1).join('/'))
	return [...directories].flatMap(([directory, inside]) => {
		const byName = new Map(inside.map(({ path, file }) => [path.split('/').at(-1) ?? '', file]))
		const checkpoints = [...byName].flatMap(([name, file]) => {
			const step = CHECKPOINT.exec(name)?.[1]
			return step === undefined ? [] : [{ step: Number(step), file }]
		})
		if (!byName.has('config.json') || checkpoints.length === 0) return []
		checkpoints.sort((a, b) => a.step - b.step)
		const name = directory.split('/').at(-1) || 'run'
		return [{ name, file: (/** @type {string} */ name) => byName.get(name), checkpoints }]
	})
}

/**
 * All files of a dropped directory.
 * @param {FileSystemEntry} entry
 * @returns {Promise<{ path: string, file: File }[]>}
 */
async function filesOf(entry) {
	const path = entry.fullPath.replace(/^\//, '')
	if (entry.isFile) {
		const file = await new Promise((resolve, reject) =>
			/** @type {FileSystemFileEntry} */ (entry).file(resolve, reject),
		)
		return [{ path, file }]
	}
	const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader()
	/** @type {{ path: string, file: File }[]} */
	const files = []
	// A directory tells a hundred entries at a time.
	for (;;) {
		/** @type {FileSystemEntry[]} */
		const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject))
		if (entries.length === 0) return files
		files.push(...(await Promise.all(entries.map(filesOf))).flat())
	}
}

/** @param {string[]} names */
function listOf(names) {
	if (names.length === 0) return 'nothing'
	const more = names.length > 4 ? ` and ${names.length - 4} more` : ''
	return names.slice(0, 4).join(', ') + more
}
