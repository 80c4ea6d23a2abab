/** The page's composition: model choice, views, theme, keys and errors. */
import { ApiError, listRuns, readCard, useApiKey } from './api.js'
import { Chat } from './chat.js'
import { forgetDeleted, recoverUnsaved } from './document-store.js'
import { byId, create } from './dom.js'
import { showEmptyState } from './empty-state.js'
import { showModelCard } from './model-card.js'
import { Notices } from './notices.js'
import { ParameterPanel } from './parameters.js'
import { SnippetPanel } from './snippet.js'
import { recall, remember } from './storage.js'
import { Training } from './training.js'
import { Writer } from './writer.js'

/**
 * What the views share.
 * @typedef {{ parameters: ParameterPanel, model: () => string, models: () => string[],
 *   settings: () => Settings, restore: (settings: Settings) => void, changed: () => void,
 *   notify: (text: string) => void, showError: (error: unknown, retry?: () => void) => void }} Session
 *
 * @typedef {{ model: string, step: string, parameters: Record<string, unknown> }} Settings what a
 *   document is written with; '' for the latest step
 */

const REFRESH_MS = 5000
const VIEWS = ['write', 'chat', 'model', 'training']

const modelSelect = byId('model', HTMLSelectElement)
const stepSelect = byId('step', HTMLSelectElement)
const keyForm = byId('key-form', HTMLFormElement)

/** @type {import('./api.js').Run[]} */
let runs = []
let listing = ''
/** What an open document was written with, until the list of models is there. */
let wanted = { model: '', step: '' }

const notices = new Notices()
/** @type {SnippetPanel | null} */
let snippet = null
const parameters = new ParameterPanel(() => settingsChanged())

/** @type {Session} */
const session = {
	parameters,
	model: () =>
		stepSelect.value === '' ? modelSelect.value : `${modelSelect.value}@${stepSelect.value}`,
	models: () => runs.filter(isServed).map(({ id }) => id),
	settings: () => ({
		model: modelSelect.value,
		step: stepSelect.value,
		parameters: parameters.state(),
	}),
	restore: restoreSettings,
	changed: () => snippet?.update(),
	notify: (text) => notices.notify(text),
	showError,
}
await recoverUnsaved().catch(() => {})
const writer = new Writer(session)
const chat = new Chat(session)
const training = new Training({ talkTo, showError })
snippet = new SnippetPanel(presentRequest)

/** @returns {import('./snippet.js').Present} */
function presentRequest() {
	const seed = parameters.seed()
	const settings = { ...parameters.values(), ...(seed === null ? {} : { seed }) }
	const model = session.model()
	return currentView() === 'chat'
		? { path: 'chat/completions', body: { model, messages: chat.messages(), ...settings } }
		: { path: 'completions', body: { model, prompt: writer.text(), ...settings } }
}

/**
 * @param {unknown} error null takes the message away
 * @param {() => void} [retry] what the user may want to do about it
 */
function showError(error, retry) {
	notices.showError(error, retry)
	if (error instanceof ApiError && error.status === 401) keyForm.hidden = false
}

/** The model, its step or the parameters are other ones by the user's choice. */
function settingsChanged() {
	if (currentView() === 'chat') {
		chat.settingsChanged()
		chat.shown()
	} else writer.settingsChanged()
	snippet?.update()
}

/**
 * Chooses what a document was written with, as far as that is still there.
 * @param {Settings} settings
 */
function restoreSettings({ model, step, parameters: state }) {
	if (Object.keys(state).length > 0) parameters.restore(state)
	if (runs.some((run) => run.id === model && isServed(run))) choose(model, step)
	else if (model !== '') wanted = { model, step }
}

/**
 * Makes a model the chosen one.
 * @param {string} model
 * @param {string} step '' for the latest
 */
async function choose(model, step) {
	modelSelect.value = model
	await modelChosen(step)
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
	await choose(id, chosenStep(id, step))
	location.hash = '/chat'
	settingsChanged()
}

/**
 * A step as the menu has it: the latest one has no number.
 * @param {string} id
 * @param {number} step
 */
function chosenStep(id, step) {
	return runs.find((run) => run.id === id)?.step === step ? '' : String(step)
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
	if (view === 'chat' && !isEmpty) chat.shown()
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

/**
 * Fills the step menu of the chosen model and what else depends on the model.
 * @param {string} step that is wanted; '' for the latest
 */
async function modelChosen(step) {
	const run = chosenRun()
	if (run === undefined) return
	remember('model', run.id)
	writer.offerStarters(run.domain)
	stepSelect.replaceChildren(create('option', { value: '' }, `step ${run.step}`))
	if (step !== '') stepSelect.append(create('option', { value: step }, `step ${step}`))
	stepSelect.value = step
	if (currentView() === 'model') showCard()
	session.changed()
	if (!isServed(run)) return
	const card = await readCard(run.id).catch(() => null)
	if (card === null || modelSelect.value !== run.id) return
	const older = (card.steps ?? []).filter((step) => step !== run.step).map(String)
	const chosen = stepSelect.value
	stepSelect.replaceChildren(
		create('option', { value: '' }, `step ${run.step}`),
		...older.reverse().map((step) => create('option', { value: step }, `step ${step}`)),
	)
	stepSelect.disabled = older.length === 0
	stepSelect.value = older.includes(chosen) ? chosen : ''
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
	const chosen = modelSelect.value
	const next = chosen || wanted.model || String(recall('model') ?? '')
	const step = chosen === '' && next === wanted.model ? wanted.step : stepSelect.value
	modelSelect.replaceChildren(
		...runs.map((run) => {
			const { id, state, reason } = run
			const label = isServed(run) ? id : `${id} (${state})`
			const option = create('option', { value: id, title: reason ?? '' }, label)
			option.disabled = !isServed(run)
			return option
		}),
	)
	if (runs.some((run) => run.id === next && isServed(run))) modelSelect.value = next
	modelSelect.hidden = runs.length === 0
	stepSelect.hidden = runs.length === 0
	showError(null)
	modelChosen(modelSelect.value === next ? step : '')
	showView()
}

/** @param {KeyboardEvent} event */
function pressed(event) {
	if (document.querySelector('dialog[open]') !== null) return
	const name = currentView()
	const view = name === 'chat' ? chat : writer
	if (event.key === 'Escape' && view.stop()) event.preventDefault()
	if (!(event.ctrlKey || event.metaKey) || (name !== 'write' && name !== 'chat')) return
	const key = event.key.toLowerCase()
	if (key === 'enter') view.go()
	else if (isOwnField(event.target) || (key !== 'z' && key !== 'y')) return
	else if (key === 'y' || event.shiftKey) view.redo()
	else view.undo()
	event.preventDefault()
}

/** A field whose own undo is the right one; the text's own is that of the document. @param {EventTarget | null} target */
function isOwnField(target) {
	const isField = target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement
	return isField && target.id !== 'prompt' && !(target.id === 'message' && target.value === '')
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
forgetDeleted().catch(() => {})
modelSelect.addEventListener('change', () => {
	modelChosen('')
	settingsChanged()
})
stepSelect.addEventListener('change', settingsChanged)
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
