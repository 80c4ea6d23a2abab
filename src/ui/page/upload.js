/** Sending runs and models from the page: a directory or a file is dropped or chosen. */
import { request } from './api.js'
import { create } from './dom.js'
import { withSecret } from './secret.js'
import { formatBytes, formatWhole } from './training-format.js'
import { uploadsAmong } from './upload-files.js'

/**
 * @typedef {import('./upload-files.js').GivenFile} GivenFile
 * @typedef {import('./upload-files.js').GivenCheckpoint} GivenCheckpoint
 * @typedef {import('./upload-files.js').GivenModel} GivenModel
 *
 * @typedef {{ authorization: string, signal: AbortSignal, sent: (bytes: number) => void }} Sending
 *   `sent` is told the bytes that are on the server
 */

const PIECE_BYTES = 4 * 1024 * 1024

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
			create(
				'p',
				{},
				'Drop the directory of a run here, with its config.json and checkpoints, or that of a model, or a GGUF file, or',
			),
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

	/** @param {GivenFile[]} files */
	async #send(files) {
		const { checkpoints, models } = uploadsAmong(files)
		if (checkpoints.length + models.length === 0) {
			const wanted =
				'config.json with checkpoint-<step>.json beside it, or a model as model.safetensors with its config.json, as GGUF or of llama2.c'
			const said = `Expected ${wanted}, got ${listOf(files.map(({ path }) => path))}.`
			this.#jobs.append(create('li', { class: 'failed' }, said))
		}
		for (const each of checkpoints) {
			const title = `${each.name}, step ${formatWhole(each.step)}`
			await this.#run(title, each.checkpoint.size, (sending) => sendCheckpoint(each, sending))
		}
		for (const each of models) {
			const size = each.files.reduce((sum, file) => sum + file.size, 0)
			await this.#run(each.name, size, (sending) => sendModel(each, sending))
		}
	}

	/**
	 * Sends something, and tells how far it is and how it ended.
	 * @param {string} title
	 * @param {number} size bytes
	 * @param {(sending: Sending) => Promise<{ name: string, step: number }>} send
	 */
	async #run(title, size, send) {
		const bar = create('progress', { max: String(size || 1), 'aria-label': title })
		bar.value = 0
		const said = create('span', {}, `${title}, ${formatBytes(size)}`)
		const stop = create('button', { type: 'button', class: 'quiet' }, 'Stop')
		const job = create('li', {}, said, bar, stop)
		this.#jobs.prepend(job)
		const stopping = new AbortController()
		const { signal } = stopping
		stop.addEventListener('click', () => stopping.abort())
		try {
			const answer = await withSecret((authorization) =>
				send({ authorization, signal, sent: (bytes) => (bar.value = bytes) }),
			)
			job.className = answer === null ? 'failed' : 'done'
			said.textContent =
				answer === null
					? `${title}: not sent`
					: `${answer.name}, step ${formatWhole(answer.step)}: is served`
			if (answer !== null) this.#onDone(answer.name)
		} catch (error) {
			job.className = 'failed'
			const reason = signal.aborted ? 'stopped' : error instanceof Error ? error.message : error
			said.textContent = `${title}: ${reason}`
		} finally {
			bar.remove()
			stop.remove()
		}
	}
}

/**
 * A checkpoint in pieces.
 * @param {GivenCheckpoint} given
 * @param {Sending} sending
 */
async function sendCheckpoint({ name, step, checkpoint, config, metrics }, sending) {
	const { authorization, signal, sent } = sending
	const uploadId = newUploadId()
	const total = Math.max(1, Math.ceil(checkpoint.size / PIECE_BYTES))
	const fields = {
		uploadId,
		totalChunks: total,
		name,
		step,
		config: JSON.parse(await config.text()),
		...(metrics && { metrics: await metrics.text() }),
	}
	for (let i = 0; i < total; i++) {
		const end = Math.min(checkpoint.size, (i + 1) * PIECE_BYTES)
		const headers = {
			authorization,
			'content-type': 'application/octet-stream',
			'x-upload-id': uploadId,
			'x-chunk-index': String(i),
			'x-total-chunks': String(total),
		}
		const body = checkpoint.slice(i * PIECE_BYTES, end)
		await request('api/upload/chunk', { method: 'POST', headers, body, signal })
		sent(end)
	}
	return assemble(fields, sending)
}

/**
 * A model of another tool, file by file.
 * @param {GivenModel} given
 * @param {Sending} sending
 */
async function sendModel({ name, files, metrics }, sending) {
	const { authorization, signal, sent } = sending
	const uploadId = newUploadId()
	let before = 0
	for (const file of files) {
		const headers = {
			authorization,
			'content-type': 'application/octet-stream',
			'x-upload-id': uploadId,
			'x-model-file': file.name,
		}
		await request('api/upload', { method: 'POST', headers, body: file, signal })
		before += file.size
		sent(before)
	}
	const fields = {
		uploadId,
		name,
		files: files.map((file) => file.name),
		...(metrics && { metrics: await metrics.text() }),
	}
	return assemble(fields, sending)
}

/**
 * @param {Record<string, unknown>} fields
 * @param {Sending} sending
 * @returns {Promise<{ name: string, step: number }>}
 */
async function assemble(fields, { authorization, signal }) {
	const headers = { authorization, 'content-type': 'application/json' }
	const body = JSON.stringify(fields)
	return (await request('api/upload/assemble', { method: 'POST', headers, body, signal })).json()
}

function newUploadId() {
	return [...crypto.getRandomValues(new Uint32Array(4))].join('-')
}

/**
 * All files of a dropped directory.
 * @param {FileSystemEntry} entry
 * @returns {Promise<GivenFile[]>}
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
	/** @type {GivenFile[]} */
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
