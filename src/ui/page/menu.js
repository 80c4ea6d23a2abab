/** A button with a list of things to do below it. */
import { create } from './dom.js'
import { icon } from './icons.js'

/**
 * @param {string} label
 * @param {{ label: string, act: () => void }[]} entries
 */
export function menu(label, entries) {
	const summary = create(
		'summary',
		{ class: 'icon', title: label, 'aria-label': label },
		icon('more'),
	)
	const list = create('div', { class: 'menu-list' })
	const element = create('details', { class: 'menu' }, summary, list)
	for (const entry of entries) {
		const button = create('button', { type: 'button' }, entry.label)
		button.addEventListener('click', () => {
			element.open = false
			summary.focus()
			entry.act()
		})
		list.append(button)
	}
	document.addEventListener('pointerdown', ({ target }) => {
		if (target instanceof Node && !element.contains(target)) element.open = false
	})
	element.addEventListener('keydown', (event) => {
		if (event.key !== 'Escape' || !element.open) return
		element.open = false
		summary.focus()
		event.stopPropagation()
	})
	return element
}
