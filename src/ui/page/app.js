/** The page's composition: model choice, views, theme, keys and errors. */
import { ApiError, listRuns, readCard, useApiKey } from './api.js'
import { Chat } from './chat.js'
import { byId, create } from './dom.js'
import { showEmptyState } from './empty-state.js'
import { showModelCard } from './model-card.js'
import { ParameterPanel } from './parameters.js'
import { SnippetPanel } from './snippet.js'
import { recall, remember } from './storage.js'
import { Training } from './training.js'
import { Writer } from './writer.js'

/**
 * What the views share.
 * @typedef {{ parameters: ParameterPanel, model: () => string, changed: () => void,
 *   showError: (error: unknown) => void }} Session
 */

const REFRESH_MS = 5000
const VIEWS = ['write', 'chat', 'model', 'training']

const modelSelect = byId('model', HTMLSelectElement)
const stepSelect = byId('step', HTMLSelectElement)
const errorText = byId('error', HTMLParagraphElement)
const keyForm = byId('key-form', HTMLFormElement)

/** @type {import('./api.js').Run[]} */
let runs = []
let listing = ''

/** @type {SnippetPanel | null} */
let snippet = null
const parameters = new ParameterPanel(() => snippet?.update())

/** @type {Session} */
const session = {
	parameters,
	model: () =>
		stepSelect.value === '' ? modelSelect.value : `${modelSelect.value}@${stepSelect.value}`,
	changed: () => snippet?.update(),
	showError,
}
const writer = new Writer(session)
const chat = new Chat(session)
const training = new Training({ talkTo, showError })
snippet = new SnippetPanel(presentRequest)

/** @returns {import('./snippet.js').Present} */
function presentRequest() {
	const { seed: _, ...values } = parameters.values()
	const seed = parameters.seed()
	const settings = { ...values, ...(seed === null ? {} : { seed }) }
	const model = session.model()
	return currentView() === 'chat'
		? { path: 'chat/completions', body: { model, messages: chat.messages(), ...settings } }
		: { path: 'completions', body: { model, prompt: writer.text(), ...settings } }
}

/** @param {unknown} error null takes the message away */
function showError(error) {
	errorText.hidden = error === null
	errorText.textContent = error instanceof Error ? error.message : String(error ?? '')
	if (error instanceof ApiError && error.status === 401) keyForm.hidden = false
}

function currentView() {
	const [name = ''] = location.hash.replace('#/', '').split('/')
	return VIEWS.includes(name) ? name : 'write'
}

/** What stands behind the view in the address, for instance a run. */
function currentSubject() {
	const [, subject] = location.hash.replace('#/', '').split('/')
	return subject ? decodeURIComponent(subject) : null
}

/**
 * Goes to the chat with a checkpoint, which may have arrived a moment ago.
 * @param {string} id
 * @param {number} step
 */
async function talkTo(id, step) {
	await refreshRuns()
	modelSelect.value = id
	await modelChosen()
	if ([...stepSelect.options].some(({ value }) => value === String(step)))
		stepSelect.value = String(step)
	session.changed()
	location.hash = '/chat'
}

function showView() {
	const isEmpty = !runs.some(isServed)
	const view = currentView()
	for (const name of VIEWS) {
		const needsModel = name !== 'training' && (name !== 'model' || runs.length === 0)
		const isShown = name === view && (!isEmpty || !needsModel)
		byId(`view-${name}`, HTMLElement).hidden = !isShown
		const tab = byId(`tab-${name}`, HTMLButtonElement)
		tab.setAttribute('aria-selected', String(name === view))
		tab.tabIndex = name === view ? 0 : -1
	}
	const empty = byId('view-empty', HTMLElement)
	const isFilled = view === 'training' || (view === 'model' && runs.length > 0)
	empty.hidden = listing === '' || !isEmpty || isFilled
	if (!empty.hidden) showEmptyState(empty)
	byId('aside', HTMLElement).hidden = isEmpty || view === 'model' || view === 'training'
	if (view === 'training') training.show(currentSubject())
	if (view === 'model') showCard()
	snippet?.update()
}

/**
 * The list names a state only for runs that cannot be served: damaged, or still arriving.
 * @param {import('./api.js').Run} run
 */
function isServed(run) {
	return run.state === undefined
}

function chosenRun() {
	return runs.find(({ id }) => id === modelSelect.value)
}

function showCard() {
	const run = chosenRun()
	if (run !== undefined) showModelCard(byId('view-model', HTMLElement), run, showError)
}

/** Fills the step menu of the chosen model and what else depends on the model. */
async function modelChosen() {
	const run = chosenRun()
	if (run === undefined) return
	const step = recall('model') === run.id ? stepSelect.value : ''
	remember('model', run.id)
	writer.offerStarters(run.domain)
	stepSelect.replaceChildren(create('option', { value: '' }, `step ${run.step}`))
	if (currentView() === 'model') showCard()
	session.changed()
	if (!isServed(run)) return
	const card = await readCard(run.id).catch(() => null)
	if (card === null || modelSelect.value !== run.id) return
	const older = (card.steps ?? []).filter((step) => step !== run.step)
	stepSelect.append(
		...older.reverse().map((step) => create('option', { value: String(step) }, `step ${step}`)),
	)
	stepSelect.disabled = older.length === 0
	if (older.includes(Number(step))) stepSelect.value = step
	session.changed()
}

/** Asks for the list and shows what has changed in it. */
async function refreshRuns() {
	/** @type {import('./api.js').Run[]} */
	let latest
	try {
		latest = await listRuns()
	} catch (error) {
		if (listing === '' || !(error instanceof ApiError) || error.status !== 0) showError(error)
		return
	}
	const text = JSON.stringify(latest)
	if (text === listing) return
	listing = text
	runs = latest
	const wanted = modelSelect.value || String(recall('model') ?? '')
	modelSelect.replaceChildren(
		...runs.map((run) => {
			const { id, state, reason } = run
			const label = isServed(run) ? id : `${id} (${state})`
			const option = create('option', { value: id, title: reason ?? '' }, label)
			option.disabled = !isServed(run)
			return option
		}),
	)
	if (runs.some((run) => run.id === wanted && isServed(run))) modelSelect.value = wanted
	modelSelect.hidden = runs.length === 0
	stepSelect.hidden = runs.length === 0
	showError(null)
	modelChosen()
	showView()
}

/** @param {KeyboardEvent} event */
function pressed(event) {
	const view = currentView() === 'chat' ? chat : writer
	if (event.key === 'Escape' && view.stop()) event.preventDefault()
	if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
	event.preventDefault()
	if (currentView() === 'write' || currentView() === 'chat') view.go()
}

function startTheme() {
	const root = document.documentElement
	const stored = recall('theme')
	if (stored === 'dark' || stored === 'light') root.dataset['theme'] = stored
	byId('theme', HTMLButtonElement).addEventListener('click', () => {
		const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
		const next = (root.dataset['theme'] ?? system) === 'dark' ? 'light' : 'dark'
		root.dataset['theme'] = next
		remember('theme', next)
	})
}

function startTabs() {
	for (const name of VIEWS) {
		const tab = byId(`tab-${name}`, HTMLButtonElement)
		tab.addEventListener('click', () => {
			location.hash = `/${name}`
		})
		tab.addEventListener('keydown', ({ key }) => {
			const direction = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0
			if (direction === 0) return
			const next = VIEWS[(VIEWS.indexOf(name) + direction + VIEWS.length) % VIEWS.length] ?? name
			location.hash = `/${next}`
			byId(`tab-${next}`, HTMLButtonElement).focus()
		})
	}
	addEventListener('hashchange', () => {
		showError(null)
		showView()
		if (currentView() === 'chat') chat.focus()
		if (currentView() === 'write') writer.focus()
	})
}

startTheme()
startTabs()
modelSelect.addEventListener('change', modelChosen)
stepSelect.addEventListener('change', session.changed)
document.addEventListener('keydown', pressed)
keyForm.addEventListener('submit', (event) => {
	event.preventDefault()
	useApiKey(byId('key', HTMLInputElement).value)
	keyForm.hidden = true
	refreshRuns()
})
if (matchMedia('(max-width: 56rem)').matches) byId('parameters', HTMLDetailsElement).open = false
refreshRuns()
setInterval(() => {
	if (!document.hidden) refreshRuns()
}, REFRESH_MS)
