/**
 * Where documents are kept: in the browser's IndexedDB, as a head and the edits that made the text.
 * A page whose browser has none, or refuses, works without memory.
 */

/**
 * @typedef {{ id: string, kind: 'text' | 'chat', title: string, excerpt: string, createdMs: number,
 *   updatedMs: number, deletedMs: number | null, version: number, done: number, model: string,
 *   step: string, parameters: Record<string, unknown> }} Head `title` is '' unless the user gave one;
 *   `version` counts the writes, `done` the edits that are not undone
 *
 * @typedef {{ group: number, at: number, remove: number, insert: string }} StoredEdit `insert` is JSON
 *
 * @typedef {{ id: string, version: number, from: string }} Written what other tabs are told
 */

/** Somebody else has written the document since it was read. */
export class ConflictError extends Error {}

/** Deleted documents can be brought back for so long. */
const KEPT_MS = 7 * 24 * 3600 * 1000

/** Which of the open tabs this is. */
const tab = crypto.getRandomValues(new Uint32Array(2)).join('-')

const channel =
	typeof BroadcastChannel === 'undefined' ? null : new BroadcastChannel('alpha.documents')

/** @type {Promise<IDBDatabase | null> | null} */
let opening = null

/** The database; null where there is none. */
function database() {
	opening ??= new Promise((resolve) => {
		try {
			const request = indexedDB.open('alpha', 1)
			request.onupgradeneeded = () => {
				request.result.createObjectStore('heads', { keyPath: 'id' })
				request.result.createObjectStore('edits')
			}
			request.onsuccess = () => {
				const db = request.result
				// A newer page in another tab may change the form; this one goes on without memory.
				db.onversionchange = () => db.close()
				resolve(db)
			}
			request.onerror = () => resolve(null)
		} catch {
			resolve(null)
		}
	})
	return opening
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function answer(request) {
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result)
		request.onerror = () => reject(request.error)
	})
}

/**
 * Runs `work` in one transaction over everything; resolves when it is on the disk.
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(heads: IDBObjectStore, edits: IDBObjectStore) => Promise<T>} work
 * @param {T} nothing the result where there is no database
 * @returns {Promise<T>}
 */
async function transact(mode, work, nothing) {
	const db = await database()
	if (db === null) return nothing
	const transaction = db.transaction(['heads', 'edits'], mode)
	const ended = new Promise((resolve, reject) => {
		transaction.oncomplete = () => resolve(null)
		transaction.onabort = () => reject(transaction.error)
	})
	try {
		const result = await work(transaction.objectStore('heads'), transaction.objectStore('edits'))
		await ended
		return result
	} catch (error) {
		ended.catch(() => {})
		try {
			transaction.abort()
		} catch {
			// It has ended already.
		}
		throw error
	}
}

/** @param {string} id */
const editsOf = (id, from = 0) => IDBKeyRange.bound([id, from], [id, Number.POSITIVE_INFINITY])

/**
 * Documents of a kind, the one changed last first; deleted ones too, while they can be brought back.
 * @param {'text' | 'chat'} kind
 * @returns {Promise<Head[]>}
 */
export async function listDocuments(kind) {
	/** @type {Head[]} */
	const heads = await transact('readonly', (store) => answer(store.getAll()), [])
	return heads.filter((head) => head.kind === kind).sort((a, b) => b.updatedMs - a.updatedMs)
}

/**
 * A document as it was written last; null when there is none.
 * @param {string} id
 * @returns {Promise<{ head: Head, edits: StoredEdit[] } | null>}
 */
export function readDocument(id) {
	return transact(
		'readonly',
		async (heads, edits) => {
			/** @type {[Head | undefined, StoredEdit[]]} */
			const [head, stored] = await Promise.all([
				answer(heads.get(id)),
				answer(edits.getAll(editsOf(id))),
			])
			return head === undefined ? null : { head, edits: stored }
		},
		null,
	)
}

/**
 * Writes a head, and the edits from one on; those that were stored behind it are gone.
 * Throws ConflictError when the stored version is another one than the head before this change had.
 * @param {Head} head with the new version
 * @param {number} from
 * @param {StoredEdit[]} edits
 */
export async function writeDocument(head, from, edits) {
	await transact(
		'readwrite',
		async (heads, store) => {
			/** @type {Head | undefined} */
			const stored = await answer(heads.get(head.id))
			if ((stored?.version ?? 0) !== head.version - 1) throw new ConflictError()
			heads.put(head)
			store.delete(editsOf(head.id, from))
			for (const [i, edit] of edits.entries()) store.put(edit, [head.id, from + i])
		},
		undefined,
	)
	channel?.postMessage({ id: head.id, version: head.version, from: tab })
}

/**
 * Changes the head of a document that may be open somewhere.
 * @param {string} id
 * @param {Partial<Pick<Head, 'title' | 'deletedMs'>>} changes
 */
export async function changeHead(id, changes) {
	const version = await transact(
		'readwrite',
		async (heads) => {
			/** @type {Head | undefined} */
			const head = await answer(heads.get(id))
			if (head === undefined) return 0
			heads.put({ ...head, ...changes, version: head.version + 1 })
			return head.version + 1
		},
		0,
	)
	channel?.postMessage({ id, version, from: '' })
	for (const listener of listeners) listener({ id, version, from: '' })
}

/** Where a page that goes away leaves what it could not wait for, per document. */
const UNSAVED = 'alpha.unsaved.'

/**
 * Keeps all edits of a document before the page is gone, or where they do not fit, those from one on;
 * they come into the database when the next page opens.
 * @param {Head} head with the version that was written last, or is on its way
 * @param {number} from the first one that is not stored
 * @param {StoredEdit[]} edits all
 */
export function keepUnsaved(head, from, edits) {
	for (const first of new Set([0, from])) {
		try {
			const unsaved = JSON.stringify({ head, from: first, edits: edits.slice(first) })
			localStorage.setItem(`${UNSAVED}${head.id}`, unsaved)
			return
		} catch {
			// More than fits there: what was stored in the last second stands.
		}
	}
}

/**
 * Writes what the last page has left, unless its own writing came through. What another tab has written
 * meanwhile stands, and ours becomes a copy.
 */
export async function recoverUnsaved() {
	for (const key of Object.keys(localStorage).filter((name) => name.startsWith(UNSAVED))) {
		const text = localStorage.getItem(key) ?? ''
		localStorage.removeItem(key)
		/** @type {{ head: Head, from: number, edits: StoredEdit[] }} */
		const { head, from, edits } = JSON.parse(text)
		await transact(
			'readwrite',
			async (heads, store) => {
				/** @type {Head | undefined} */
				const stored = await answer(heads.get(head.id))
				const isOthers = stored !== undefined && stored.version > head.version
				const isThere = stored !== undefined && stored.updatedMs >= head.updatedMs
				if (isOthers ? from > 0 : isThere) return
				const own = isOthers ? asCopy(head) : head
				heads.put({ ...own, version: isOthers ? 1 : (stored?.version ?? 0) + 1 })
				store.delete(editsOf(own.id, from))
				for (const [i, edit] of edits.entries()) store.put(edit, [own.id, from + i])
			},
			undefined,
		)
	}
}

/**
 * The head of a document that goes on beside the one that somebody else has written.
 * @param {Head} head
 * @returns {Head} with the version 0
 */
export function asCopy(head) {
	const title = `${head.title || head.excerpt || 'Untitled'} (copy)`
	return { ...head, id: newId(), title, version: 0, deletedMs: null }
}

/** Plain http has no randomUUID. */
export function newId() {
	return [...crypto.getRandomValues(new Uint8Array(12))]
		.map((byte) => byte.toString(16).padStart(2, '0'))
		.join('')
}

/** Takes away what was deleted long ago. */
export function forgetDeleted() {
	return transact(
		'readwrite',
		async (heads, edits) => {
			/** @type {Head[]} */
			const all = await answer(heads.getAll())
			for (const { id, deletedMs } of all) {
				if (deletedMs === null || Date.now() - deletedMs < KEPT_MS) continue
				heads.delete(id)
				edits.delete(editsOf(id))
			}
		},
		undefined,
	)
}

/** @type {Set<(written: Written) => void>} */
const listeners = new Set()
channel?.addEventListener('message', ({ data }) => {
	for (const listener of listeners) listener(data)
})

/**
 * Calls `listener` when another tab, or a list of this one, has written a document.
 * @param {(written: Written) => void} listener
 * @param {AbortSignal} [signal] ends it
 */
export function onWritten(listener, signal) {
	listeners.add(listener)
	signal?.addEventListener('abort', () => listeners.delete(listener))
}
