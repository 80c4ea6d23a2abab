/** The upload secret: asked for once, when something needs it, and kept while the tab is open. */
import { ApiError, bearer } from './api.js'
import { create } from './dom.js'

const KEY = 'alpha.secret'

/** Without it nobody is asked again in this tab. */
let secret = readSession()

function readSession() {
	try {
		return sessionStorage.getItem(KEY) ?? ''
	} catch {
		return ''
	}
}

/** @param {string} value */
function keep(value) {
	secret = value
	try {
		sessionStorage.setItem(KEY, value)
	} catch {
		// It is asked for again after a reload.
	}
}

/**
 * Calls `act` with the value of an authorization header. Asks for the secret when there is none, or
 * when the server has refused the one there is.
 * @template T
 * @param {(authorization: string) => Promise<T>} act
 * @returns {Promise<T | null>} null: the user did not give it
 */
export async function withSecret(act) {
	for (let reason = ''; ; ) {
		if (secret === '') {
			const given = await ask(reason)
			if (given === null) return null
			keep(given)
		}
		try {
			return await act(bearer(secret))
		} catch (error) {
			if (!(error instanceof ApiError) || error.status !== 401) throw error
			keep('')
			reason = 'The server does not take this secret.'
		}
	}
}

/**
 * @param {string} reason why it is asked for again
 * @returns {Promise<string | null>}
 */
function ask(reason) {
	const input = create('input', {
		type: 'password',
		id: 'secret',
		autocomplete: 'off',
		required: '',
	})
	const cancel = create('button', { type: 'button' }, 'Cancel')
	const form = create(
		'form',
		{ method: 'dialog' },
		create('h2', {}, 'Upload secret'),
		create(
			'p',
			{ class: 'hint' },
			'Who changes models needs the UPLOAD_SECRET that the server was started with. It is kept while this tab is open.',
		),
		create(
			'p',
			{ class: 'error', role: 'alert', ...(reason === '' ? { hidden: '' } : {}) },
			reason,
		),
		create('label', { for: 'secret' }, 'Secret'),
		input,
		create('div', { class: 'bar' }, create('button', { class: 'primary' }, 'Use'), cancel),
	)
	const dialog = create('dialog', { class: 'ask', 'aria-label': 'Upload secret' }, form)
	document.body.append(dialog)
	const active = document.activeElement
	dialog.showModal()
	return new Promise((resolve) => {
		cancel.addEventListener('click', () => dialog.close('cancel'))
		form.addEventListener('submit', () => dialog.close('use'))
		dialog.addEventListener('close', () => {
			const isGiven = dialog.returnValue === 'use' && input.value !== ''
			dialog.remove()
			if (active instanceof HTMLElement) active.focus()
			resolve(isGiven ? input.value : null)
		})
	})
}
