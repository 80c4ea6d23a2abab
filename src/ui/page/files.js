/** Files that the page gives and takes. */
import { create } from './dom.js'

/**
 * Lets the browser keep a text as a file.
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function saveFile(name, type, text) {
	saveBlob(name, new Blob([text], { type: `${type};charset=utf-8` }))
}

/**
 * The same of bytes.
 * @param {string} name
 * @param {Blob} blob
 */
export function saveBlob(name, blob) {
	const address = URL.createObjectURL(blob)
	create('a', { href: address, download: name }).click()
	// The browser reads it after the click.
	setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

/**
 * Asks the user for a file; undefined when none is chosen.
 * @param {string} accept
 * @returns {Promise<File | undefined>}
 */
export function chooseFile(accept) {
	const input = create('input', { type: 'file', accept })
	return new Promise((resolve) => {
		input.addEventListener('change', () => resolve(input.files?.[0]))
		input.addEventListener('cancel', () => resolve(undefined))
		input.click()
	})
}

/**
 * A name for a file, of what the document is called.
 * @param {string} name
 * @param {string} extension
 */
export function fileName(name, extension) {
	const plain =
		name
			.replaceAll(/[^\p{L}\p{N} _.-]+/gu, ' ')
			.trim()
			.slice(0, 60) || 'untitled'
	return `${plain}.${extension}`
}
