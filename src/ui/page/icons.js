/** The page's icons: strokes on a field of 16 × 16, in the colour of the text around them. */
import { createSvg } from './dom.js'

const PATHS = {
	list: 'M2.5 4h11M2.5 8h11M2.5 12h7',
	plus: 'M8 3v10M3 8h10',
	undo: 'M5.5 3 2.5 6l3 3M2.5 6h6.8a4 4 0 0 1 0 8H6',
	redo: 'm10.5 3 3 3-3 3M13.5 6H6.7a4 4 0 0 0 0 8H10',
	more: 'M3 7.75h.5v.5h-.5zM7.75 7.75h.5v.5h-.5zM12.5 7.75h.5v.5h-.5z',
	copy: 'M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3',
	trash: 'M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9',
	edit: 'm3 13 .8-3.2L10.6 3 13 5.4 6.2 12.200zM9.4 4.200l2.4 2.4',
	branch: 'M4.5 2.500v11M4.5 10a7 7 0 0 0 7-5.500M11.5 4.500v-.01M11.5 2.500v2',
	play: 'M5 3.200v9.600L12.5 8z',
	again: 'M13 8a5 5 0 1 1-1.6-3.700M13.2 2v3h-3',
	close: 'm4 4 8 8M12 4l-8 8',
	columns: 'M2.5 3h4.500v10h-4.500zM9 3h4.500v10h-4.500z',
	theme: 'M8 2.500a5.5 5.5 0 0 0 0 11z M8 2.500a5.5 5.5 0 0 1 0 11',
	upload: 'M8 10.500v-8M4.8 5.5 8 2.300l3.2 3.200M2.5 10v3.500h11V10',
}

/** @typedef {keyof typeof PATHS} IconName */

/** @param {IconName} name */
export function icon(name) {
	const path = createSvg('path', { d: PATHS[name] })
	return createSvg('svg', { class: 'glyph', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, path)
}

/**
 * A button that is an icon, with its name for those who do not see it.
 * @param {IconName} name
 * @param {string} label
 * @param {() => void} act
 */
export function iconButton(name, label, act) {
	const button = document.createElement('button')
	button.type = 'button'
	button.className = 'icon'
	button.title = label
	button.setAttribute('aria-label', label)
	button.append(icon(name))
	button.addEventListener('click', act)
	return button
}
