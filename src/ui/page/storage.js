/** What the page remembers in this browser; a browser that refuses to remember is no error. */

/**
 * @param {string} name
 * @returns {unknown} undefined when nothing, or nothing readable, is there
 */
export function recall(name) {
	try {
		return JSON.parse(localStorage.getItem(`alpha.${name}`) ?? 'null') ?? undefined
	} catch {
		return undefined
	}
}

/**
 * @param {string} name
 * @param {unknown} value
 */
export function remember(name, value) {
	try {
		localStorage.setItem(`alpha.${name}`, JSON.stringify(value))
	} catch {
		// Private windows and full stores: the page works without memory.
	}
}

/**
 * What the user has not finished in this tab; '' for nothing.
 * @param {string} name
 */
export function recallDraft(name) {
	try {
		return sessionStorage.getItem(`alpha.draft.${name}`) ?? ''
	} catch {
		return ''
	}
}

/**
 * @param {string} name
 * @param {string} text
 */
export function rememberDraft(name, text) {
	try {
		sessionStorage.setItem(`alpha.draft.${name}`, text)
	} catch {
		// As above.
	}
}
