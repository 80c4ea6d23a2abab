/** Texts as files. */
import { textOf, typedParts } from './text-parts.js'

/** @typedef {import('./text-parts.js').Part} Part */

/** What a JSON file of the page begins with. */
const FORMAT = 'alpha-text'

/**
 * A text as a file: its letters, its letters under a title, or everything that is known of it.
 * @param {import('./document.js').StoredDocument<Part>} text
 * @param {'txt' | 'md' | 'json'} extension
 */
export function exportText({ head, items, name }, extension) {
	const text = textOf(items)
	if (extension === 'txt') return { type: 'text/plain', text }
	if (extension === 'md') {
		const lines = text
			.replaceAll(/([\\`*_[\]<>#])/g, String.raw`\$1`)
			.replaceAll(/(?<!\n)\n(?!\n)/g, '  \n')
		return {
			type: 'text/markdown',
			text: head.title === '' ? `${lines}\n` : `# ${name}\n\n${lines}\n`,
		}
	}
	const { title, model, step, parameters } = head
	const json = { format: FORMAT, title, model, step, parameters, text, parts: items }
	return { type: 'application/json', text: `${JSON.stringify(json, null, '\t')}\n` }
}

/**
 * A file as a text; a JSON file that is not one of ours is taken as the letters it consists of.
 * @param {string} name
 * @param {string} content
 * @returns {{ title: string, parts: Part[] }}
 */
export function importText(name, content) {
	const title = name.replace(/\.\w+$/, '')
	const typed = { title, parts: typedParts(content.replaceAll('\r\n', '\n')) }
	if (!name.endsWith('.json')) return typed
	try {
		const json = JSON.parse(content)
		if (json?.format !== FORMAT || !Array.isArray(json.parts)) return typed
		return { title: String(json.title || title), parts: json.parts.map(toPart) }
	} catch {
		return typed
	}
}

/**
 * A part as a file has it, with whatever is missing or wrong left out.
 * @param {any} part
 * @returns {Part}
 */
function toPart(part) {
	const text = String(part?.text ?? '')
	const { token, logprob, top } = part?.detail ?? {}
	const isDetail = typeof token === 'string' && typeof logprob === 'number' && Array.isArray(top)
	const isAlternative = (/** @type {any} */ each) =>
		typeof each?.[0] === 'string' && typeof each[1] === 'number'
	return {
		text,
		detail: isDetail ? { token, logprob, top: top.filter(isAlternative) } : null,
		isTyped: part?.isTyped === true,
	}
}
