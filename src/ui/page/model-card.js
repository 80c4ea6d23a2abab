import { readCard } from './api.js'
import { create } from './dom.js'
import { lossChart } from './loss-chart.js'

const count = new Intl.NumberFormat('en', { maximumFractionDigits: 1, notation: 'compact' })
const whole = new Intl.NumberFormat('en')

/** @param {unknown} bytes */
function formatBytes(bytes) {
	if (typeof bytes !== 'number') return ''
	const units = ['bytes', 'kB', 'MB', 'GB']
	const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
	return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
}

/**
 * The facts of a card, in the order of interest; unknown ones are left out.
 * @param {import('./api.js').Card} card
 * @returns {[string, string][]}
 */
function facts(card) {
	const { modelConfig: model, trainConfig: train } = card
	const number = (/** @type {unknown} */ value) =>
		typeof value === 'number' ? whole.format(value) : ''
	const text = (/** @type {unknown} */ value) => (typeof value === 'string' ? value : '')
	/** @type {[string, string][]} */
	const rows = [
		[
			'Parameters',
			typeof card.parameterCount === 'number' ? count.format(card.parameterCount) : '',
		],
		['Loss', typeof card.lastLoss === 'number' ? card.lastLoss.toFixed(4) : ''],
		['Step', number(card.step)],
		['Domain', text(card.domain)],
		['Context', number(card.contextLength ?? model['blockSize'])],
		['Layers', number(model['nLayer'])],
		['Width', number(model['nEmbd'])],
		['Heads', number(model['nHead'])],
		['Vocabulary', number(card.tokenizer?.vocabSize ?? model['vocabSize'])],
		['Tokenizer', card.tokenizer?.type ?? text(train['tokenizer'])],
		['Activation', text(model['ffnActivation'])],
		['Learning rate', typeof train['lr'] === 'number' ? String(train['lr']) : ''],
		['Batch', number(train['batchSize'])],
		['Optimizer', text(train['optimizer'])],
		['File', formatBytes(card.checkpointBytes)],
		['Memory', formatBytes(card.memoryBytes)],
		['State', text(card.state)],
	]
	return rows.filter(([, value]) => value !== '')
}

/**
 * Draws the card of a run into a view. Returns the card, or null when it could not be read.
 * @param {HTMLElement} view
 * @param {import('./api.js').Run} run
 * @param {(error: unknown) => void} showError
 */
export async function showModelCard(view, run, showError) {
	/** @type {import('./api.js').Card | null} */
	let card = null
	try {
		card = await readCard(run.id)
	} catch (error) {
		showError(error)
	}
	const shown = card ?? run
	const points = card?.metrics?.points ?? []
	view.replaceChildren(
		create('h2', {}, shown.id),
		...(shown.reason ? [create('p', { class: 'error' }, shown.reason)] : []),
		lossChart(points) ?? create('p', { class: 'hint' }, 'This run has no metrics.jsonl to draw.'),
		create(
			'dl',
			{},
			...facts(shown).map(([name, value]) =>
				create('div', {}, create('dt', {}, name), create('dd', {}, value)),
			),
		),
	)
	return card
}
