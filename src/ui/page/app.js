/** The page's composition: model choice, views, theme, keys and errors. */
import { ApiError, forgetApiKey, readCard, useApiKey } from './api.js'
import { CatalogFeed } from './catalog-feed.js'
import { Chat } from './chat.js'
import { forgetDeleted, recoverUnsaved } from './document-store.js'
import { byId, create } from './dom.js'
import { showEmptyState } from './empty-state.js'
import { Models } from './models.js'
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
 *
 * @typedef {import('./api.js').Run} Run
 */

const VIEWS = ['write', 'chat', 'model', 'training']

/** The menu is for few models; the list in Models is for all. */
const MENU_MAX = 200

const modelSelect = byId('model', HTMLSelectElement)
const stepSelect = byId('step', HTMLSelectElement)
const keyForm = byId('key-form', HTMLFormElement)
const keyProblem = byId('key-problem', HTMLParagraphElement)

/** Null until the server has told it. @type {Run[] | null} */
let runs = null
/** @type {import('./catalog-feed.js').ServerFacts} */
let server = { directory: null, uploads: false }
/** The server wants a key first. */
let needsKey = false
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
	models: () => (runs ?? []).filter(isServed).map(({ id }) => id),
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
const models = new Models(byId('view-model', HTMLElement), {
	choose: (model, step) => {
		choose(model, step)
		settingsChanged()
	},
	go: (view) => {
		location.hash = `/${view}`
	},
	runs: () => (runs ?? []).filter(isServed),
	showError,
	notify: session.notify,
})
const feed = new CatalogFeed({
	server: (facts) => {
		server = facts
		models.allowUploads(facts.uploads)
	},
	models: takeRuns,
	progress: (progress) => models.progress(progress),
	online: showOnline,
	refused: (error) => {
		if (error.status === 401) askForKey()
		else showError(error)
	},
})
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
	if (error instanceof ApiError && error.status === 401) askForKey()
	else notices.showError(error, retry)
}

/** Nothing else is of use before the server has its key. */
function askForKey() {
	keyProblem.hidden = !forgetApiKey()
	needsKey = true
	showView()
	byId('key', HTMLInputElement).focus()
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
	if (runs?.some((run) => run.id === model && isServed(run))) choose(model, step)
	else if (model !== '') wanted = { model, step }
}

/**
 * Makes a model the chosen one.
 * @param {string} model
 * @param {string} step '' for the latest
 */
async function choose(model, step) {
	if (![...modelSelect.options].some(({ value }) => value === model)) {
		modelSelect.prepend(create('option', { value: model }, model))
	}
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
	if (!subject) return null
	try {
		return decodeURIComponent(subject)
	} catch {
		// Somebody has typed the address.
		return subject
	}
}

/**
 * Goes to the chat with a checkpoint, which may have arrived a moment ago.
 * @param {string} id
 * @param {number} step
 */
async function talkTo(id, step) {
	const isLatest = runs?.find((run) => run.id === id)?.step === step
	await choose(id, isLatest ? '' : String(step))
	location.hash = '/chat'
	settingsChanged()
}

function showView() {
	const list = runs ?? []
	const isReady = runs !== null && !needsKey
	const isEmpty = !list.some(isServed)
	const view = currentView()
	for (const name of VIEWS) {
		const needsModel = name !== 'training' && (name !== 'model' || list.length === 0)
		byId(`view-${name}`, HTMLElement).hidden = !isReady || name !== view || (isEmpty && needsModel)
		const tab = byId(`tab-${name}`, HTMLButtonElement)
		tab.setAttribute('aria-selected', String(name === view))
		tab.tabIndex = name === view ? 0 : -1
	}
	byId('skeleton', HTMLElement).hidden = runs !== null || needsKey
	byId('view-key', HTMLElement).hidden = !needsKey
	const empty = byId('view-empty', HTMLElement)
	const isFilled = view === 'training' || (view === 'model' && list.length > 0)
	empty.hidden = !isReady || !isEmpty || isFilled
	if (!empty.hidden) showEmptyState(empty, server, models.upload)
	byId('aside', HTMLElement).hidden = !isReady || isEmpty || view === 'model' || view === 'training'
	if (!isReady) return
	if (view === 'training') training.show(currentSubject())
	if (view === 'model') models.show(list, modelSelect.value, stepSelect.value)
	if (view === 'chat' && !isEmpty) chat.shown()
	snippet?.update()
}

/**
 * Damaged runs, and those that are still arriving, cannot be asked for.
 * @param {Run} run
 */
function isServed({ state }) {
	return state !== 'incomplete' && state !== 'damaged'
}

/**
 * Fills the step menu of the chosen model and what else depends on the model.
 * @param {string} step that is wanted; '' for the latest
 */
async function modelChosen(step) {
	const run = runs?.find(({ id }) => id === modelSelect.value)
	if (run === undefined) return
	remember('model', run.id)
	writer.offerStarters(run.domain)
	const latest = () => create('option', { value: '' }, `step ${run.step}`)
	stepSelect.replaceChildren(latest())
	if (step !== '') stepSelect.append(create('option', { value: step }, `step ${step}`))
	stepSelect.value = step
	if (currentView() === 'model') models.show(runs ?? [], run.id, step)
	session.changed()
	if (!isServed(run)) return
	const card = await readCard(run.id, 1).catch(() => null)
	if (card === null || modelSelect.value !== run.id) return
	// Who named no view, and has begun nothing, gets the one that the model was made for.
	const isUndecided = location.hash === '' && writer.text() === ''
	if (isUndecided && card.tokenizer?.hasChatTemplate) location.replace('#/chat')
	const older = (card.steps ?? []).filter((each) => each !== run.step).map(String)
	const chosen = stepSelect.value
	stepSelect.replaceChildren(
		latest(),
		...older.reverse().map((each) => create('option', { value: each }, `step ${each}`)),
	)
	stepSelect.disabled = older.length === 0
	stepSelect.value = older.includes(chosen) ? chosen : ''
	session.changed()
}

/** The server tells its list of models, at first and when it has changed. @param {Run[]} latest */
function takeRuns(latest) {
	const before = modelSelect.value
	const isFirst = runs === null
	const was = runs?.find(({ id }) => id === before)
	const wasEmpty = !runs?.some(isServed)
	runs = latest
	needsKey = false
	const next = before || wanted.model || String(recall('model') ?? '')
	const step = before === '' && next === wanted.model ? wanted.step : stepSelect.value
	fillMenu(next)
	const chosen = modelSelect.value
	if (before !== '' && chosen !== before) {
		const instead = chosen === '' ? '' : ` ${chosen} is chosen instead.`
		notices.notify(`${before} is no longer served.${instead}`)
	}
	const run = latest.find(({ id }) => id === chosen)
	const isSame = chosen === before && run?.step === was?.step
	if (!isSame) modelChosen(chosen === next ? step : '')
	const isOther = chosen !== before || chosen === '' || wasEmpty !== !latest.some(isServed)
	if (isFirst || currentView() === 'model' || isOther) showView()
}

/** @param {string} next the model that is to be chosen, if it is there */
function fillMenu(next) {
	const list = runs ?? []
	const listed = list.slice(0, MENU_MAX)
	const missing = list.find(({ id }) => id === next)
	if (missing !== undefined && !listed.includes(missing)) listed.unshift(missing)
	modelSelect.replaceChildren(
		...listed.map((run) => {
			const { id, state, reason } = run
			const word = state === 'incomplete' ? 'arriving' : state
			const label = isServed(run) ? id : `${id} (${word})`
			const option = create('option', { value: id, title: reason ?? '' }, label)
			option.disabled = !isServed(run)
			return option
		}),
	)
	if (list.some((run) => run.id === next && isServed(run))) modelSelect.value = next
	modelSelect.hidden = list.length === 0
	stepSelect.hidden = list.length === 0
}

/** @param {boolean} isOnline */
function showOnline(isOnline) {
	byId('offline', HTMLElement).hidden = isOnline
	if (isOnline) notices.serverAnswers()
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

/**
 * A field whose own undo is the right one; the text's is that of the document.
 * @param {EventTarget | null} target
 */
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
		notices.showError(null)
		showView()
		if (document.activeElement?.getAttribute('role') === 'tab') return
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
stepSelect.addEventListener('change', () => {
	if (currentView() === 'model') showView()
	settingsChanged()
})
document.addEventListener('keydown', pressed)
keyForm.addEventListener('submit', (event) => {
	event.preventDefault()
	useApiKey(byId('key', HTMLInputElement).value, byId('key-keep', HTMLInputElement).checked)
	feed.open()
})
if (matchMedia('(max-width: 56rem)').matches) byId('parameters', HTMLDetailsElement).open = false
showView()
feed.open()
