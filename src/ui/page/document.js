/** A text or a chat with everything that was ever done to it: undo and redo outlive a reload. */
import {
	asCopy,
	ConflictError,
	keepUnsaved,
	newId,
	onWritten,
	readDocument,
	writeDocument,
} from './document-store.js'

/**
 * @typedef {import('./document-store.js').Head} Head
 * @typedef {import('./document-store.js').StoredEdit} StoredEdit
 */

/**
 * Items of one place replaced by others. Edits of one group are undone together.
 * @template Item
 * @typedef {{ group: number, at: number, removed: Item[], inserted: Item[] }} Edit
 */

/** What is changed is written after so long, milliseconds: what a crash may take. */
const SAVE_MS = 800

/** Edits that can be undone. Of more, the oldest become one when the document is opened. */
const EDITS_MAX = 1000

/** The group of what cannot be undone. */
const BASE_GROUP = 0

/** @template Item */
export class StoredDocument {
	/** @type {Head} */
	head
	/** What it is made of, in order. Changed by edits only. @type {Item[]} */
	items = []
	/** @type {Edit<Item>[]} */
	#edits = []
	/** Edits that are stored as they are here, or on their way. */
	#savedEdits = 0
	/** Edits that have arrived. */
	#storedEdits = 0
	#isSaved = true
	#group = BASE_GROUP
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	#timer
	/** @type {Promise<void>} */
	#saving = Promise.resolve()
	#excerpt
	#closing = new AbortController()
	/** Called with the first place that has changed. @type {(at: number) => void} */
	onChange = () => {}
	/** Called when another tab had written it meanwhile and this one goes on with a copy. */
	onCopied = () => {}
	/** Called before the page may go away: what is half typed becomes an edit. */
	onLeaving = () => {}
	/** Something is being written into it: another tab's writing waits. */
	isBusy = false

	/**
	 * @param {Head} head
	 * @param {(items: readonly Item[]) => string} excerpt what a list shows of it
	 */
	constructor(head, excerpt) {
		this.head = head
		this.#excerpt = excerpt
		const { signal } = this.#closing
		addEventListener('pagehide', () => this.#leave(), { signal })
		const hidden = () => {
			if (document.visibilityState !== 'hidden') return
			this.onLeaving()
			this.save()
		}
		document.addEventListener('visibilitychange', hidden, { signal })
		const written = (/** @type {import('./document-store.js').Written} */ { id, version }) => {
			if (id === this.head.id && version !== this.head.version) this.#follow()
		}
		onWritten(written, signal)
	}

	/** Writes what has changed; from then on nothing more. */
	close() {
		this.#closing.abort()
		this.onChange = () => {}
		this.onLeaving = () => {}
		return this.save()
	}

	get canUndo() {
		return (this.#edits[this.head.done - 1]?.group ?? BASE_GROUP) !== BASE_GROUP
	}

	get canRedo() {
		return this.head.done < this.#edits.length
	}

	get name() {
		return this.head.title || this.#excerpt(this.items)
	}

	/**
	 * Replaces items. Returns the group, for more that is to be undone with it.
	 * @param {number} at
	 * @param {number} remove
	 * @param {Item[]} inserted
	 * @param {number} [group]
	 */
	edit(at, remove, inserted, group = ++this.#group) {
		this.#forgetUndone()
		const removed = replace(this.items, at, remove, inserted)
		this.#edits.push({ group, at, removed, inserted: [...inserted] })
		this.head.done = this.#edits.length
		this.#changed(at)
		return group
	}

	/**
	 * Adds items at the end, to the last edit where that is of the same group and not stored yet: a
	 * stream makes an edit per writing and not one per token.
	 * @param {Item[]} items
	 * @param {number} group
	 */
	extend(items, group) {
		const last = this.#edits.at(-1)
		const isOpen =
			last?.group === group &&
			this.#savedEdits < this.#edits.length &&
			this.head.done === this.#edits.length
		if (!isOpen || last === undefined) {
			this.edit(this.items.length, 0, items, group)
			return
		}
		const at = this.items.length
		for (const item of items) {
			this.items.push(item)
			last.inserted.push(item)
		}
		this.#changed(at)
	}

	/**
	 * An item of the last edit has changed in itself, as an answer that grows.
	 * @param {number} at
	 */
	touch(at) {
		this.#keepSaved(this.#edits.length - 1)
		this.#changed(at)
	}

	/** Takes the last group of edits back. Returns the place of the last of them; null for none. */
	undo() {
		if (!this.canUndo) return null
		const group = this.#edits[this.head.done - 1]?.group
		let at = this.items.length
		let first = at
		for (let edit = this.#edits[this.head.done - 1]; edit && edit.group === group; ) {
			replace(this.items, edit.at, edit.inserted.length, edit.removed)
			at = edit.at
			first = Math.min(first, at)
			this.head.done--
			edit = this.#edits[this.head.done - 1]
		}
		this.#changed(first)
		return at
	}

	/** Does again what was taken back last. Returns the place of it; null for none. */
	redo() {
		const group = this.#edits[this.head.done]?.group
		if (group === undefined) return null
		let at = 0
		let first = this.items.length
		for (let edit = this.#edits[this.head.done]; edit && edit.group === group; ) {
			replace(this.items, edit.at, edit.removed.length, edit.inserted)
			at = edit.at
			first = Math.min(first, at)
			this.head.done++
			edit = this.#edits[this.head.done]
		}
		this.#changed(first)
		return at
	}

	/** The first place that the last group of edits has changed, and all it has put in; null before the first. */
	lastGroup() {
		const group = this.#edits[this.head.done - 1]?.group
		if (group === undefined) return null
		const edits = this.#edits.slice(0, this.head.done)
		const first = edits.findLastIndex((edit) => edit.group !== group) + 1
		const own = edits.slice(first)
		return {
			at: Math.min(...own.map(({ at }) => at)),
			inserted: own.flatMap(({ inserted }) => inserted),
		}
	}

	/**
	 * Gives it a name, or remembers what it is written with.
	 * @param {Partial<Pick<Head, 'title' | 'model' | 'step' | 'parameters'>>} changes
	 */
	describe(changes) {
		Object.assign(this.head, changes)
		this.head.updatedMs = Date.now()
		if (this.#edits.length > 0 || this.head.version > 0) this.#saveSoon()
	}

	/** Writes what has changed, now. */
	save() {
		clearTimeout(this.#timer)
		this.#timer = undefined
		this.#saving = this.#saving.then(() => this.#write())
		return this.#saving
	}

	async #write() {
		if (this.#isSaved) return
		this.#isSaved = true
		const from = this.#savedEdits
		const edits = this.#edits.slice(from).map(toStored)
		this.#savedEdits = this.#edits.length
		const excerpt = this.#excerpt(this.items)
		this.head = { ...this.head, excerpt, version: this.head.version + 1 }
		try {
			await writeDocument({ ...this.head }, from, edits)
			this.#storedEdits = Math.min(from + edits.length, this.#savedEdits)
		} catch (error) {
			this.#keepSaved(from)
			this.#isSaved = false
			this.head.version--
			if (!(error instanceof ConflictError)) return
			this.#becomeCopy()
			await this.#write()
		}
	}

	/** The page goes away, and may not wait until something is stored. */
	#leave() {
		this.onLeaving()
		if (this.#isSaved && this.#storedEdits === this.#savedEdits) return
		const excerpt = this.#excerpt(this.items)
		keepUnsaved({ ...this.head, excerpt }, this.#storedEdits, this.#edits.map(toStored))
	}

	/** No more than the first edits are stored as they are here. @param {number} edits */
	#keepSaved(edits) {
		this.#savedEdits = Math.min(this.#savedEdits, edits)
		this.#storedEdits = Math.min(this.#storedEdits, edits)
	}

	/** Somebody else's text stays as it is; this one goes on under an id of its own. */
	#becomeCopy() {
		this.head = asCopy({ ...this.head, excerpt: this.#excerpt(this.items) })
		this.#keepSaved(0)
		this.onCopied()
	}

	/** Another tab has written: its text is shown here, unless there is one of our own to be kept. */
	async #follow() {
		await this.#saving
		if (this.isBusy || !this.#isSaved) return
		const stored = await readDocument(this.head.id)
		if (stored === null || this.isBusy || !this.#isSaved) return
		if (stored.head.version <= this.head.version) return
		this.load(stored.head, stored.edits)
		this.onChange(0)
	}

	/**
	 * Makes it what was stored.
	 * @param {Head} head
	 * @param {StoredEdit[]} stored
	 */
	load(head, stored) {
		this.head = head
		this.items = []
		this.#edits = []
		for (const { group, at, remove, insert } of stored.slice(0, head.done)) {
			/** @type {Item[]} */
			const inserted = JSON.parse(insert)
			const removed = replace(this.items, at, remove, inserted)
			this.#edits.push({ group, at, removed, inserted })
		}
		this.#loadUndone(stored.slice(head.done))
		this.#savedEdits = this.#edits.length
		this.#storedEdits = this.#edits.length
		this.#isSaved = true
		this.#group = Math.max(BASE_GROUP, ...this.#edits.map(({ group }) => group))
		this.#joinOldest()
	}

	/** What an undone edit removes is known once it is done again. @param {StoredEdit[]} stored */
	#loadUndone(stored) {
		const items = [...this.items]
		for (const { group, at, remove, insert } of stored) {
			/** @type {Item[]} */
			const inserted = JSON.parse(insert)
			const removed = replace(items, at, remove, inserted)
			this.#edits.push({ group, at, removed, inserted })
		}
	}

	#joinOldest() {
		const excess = Math.min(this.#edits.length - EDITS_MAX, this.head.done)
		if (excess <= 0) return
		/** @type {Item[]} */
		const items = []
		for (const { at, removed, inserted } of this.#edits.splice(0, excess)) {
			replace(items, at, removed.length, inserted)
		}
		this.#edits.unshift({ group: BASE_GROUP, at: 0, removed: [], inserted: items })
		this.head.done -= excess - 1
		this.#keepSaved(0)
		this.#saveSoon()
	}

	#forgetUndone() {
		this.#edits.length = this.head.done
		this.#keepSaved(this.head.done)
	}

	/** @param {number} at */
	#changed(at) {
		this.head.updatedMs = Date.now()
		this.#saveSoon()
		this.onChange(at)
	}

	#saveSoon() {
		this.#isSaved = false
		this.#timer ??= setTimeout(() => this.save(), SAVE_MS)
	}
}

/**
 * A document that is stored with its first edit.
 * @template Item
 * @param {'text' | 'chat'} kind
 * @param {(items: readonly Item[]) => string} excerpt
 * @returns {StoredDocument<Item>}
 */
export function newDocument(kind, excerpt) {
	const nowMs = Date.now()
	return new StoredDocument(
		{
			id: newId(),
			kind,
			title: '',
			excerpt: '',
			createdMs: nowMs,
			updatedMs: nowMs,
			deletedMs: null,
			version: 0,
			done: 0,
			model: '',
			step: '',
			parameters: {},
		},
		excerpt,
	)
}

/**
 * The stored document; null when there is none.
 * @template Item
 * @param {string} id
 * @param {(items: readonly Item[]) => string} excerpt
 * @returns {Promise<StoredDocument<Item> | null>}
 */
export async function openDocument(id, excerpt) {
	const stored = await readDocument(id).catch(() => null)
	if (stored === null) return null
	/** @type {StoredDocument<Item>} */
	const opened = new StoredDocument(stored.head, excerpt)
	opened.load(stored.head, stored.edits)
	return opened
}

/**
 * @template Item
 * @param {Edit<Item>} edit
 * @returns {StoredEdit}
 */
function toStored({ group, at, removed, inserted }) {
	return { group, at, remove: removed.length, insert: JSON.stringify(inserted) }
}

/**
 * Replaces items of a list, of any number, and returns those that were there.
 * @template Item
 * @param {Item[]} items
 * @param {number} at
 * @param {number} remove
 * @param {readonly Item[]} inserted
 */
function replace(items, at, remove, inserted) {
	const behind = items.slice(at + remove)
	const removed = items.slice(at, at + remove)
	items.length = at
	for (const item of inserted) items.push(item)
	for (const item of behind) items.push(item)
	return removed
}
