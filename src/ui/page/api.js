/** The server as functions. Every failure is an ApiError whose message can be shown. */
import { addChatPieces, addCompletionPieces } from './completion-events.js'
import { eventBatches } from './event-batches.js'

/**
 * @typedef {{ id: string, step: number, lastLoss: number | null, domain: string | null,
 *   modelConfig: Record<string, unknown>, trainConfig: Record<string, unknown>,
 *   state?: RunState, reason?: string | null, parameterCount?: number | null, mtime: number,
 *   format?: string | null, family?: string | null }} Run a model as GET /api/events lists it
 *
 * @typedef {'available' | 'loading' | 'loaded' | 'incomplete' | 'damaged'} RunState
 *
 * @typedef {{ step: number, loss?: number | null, valLoss?: number | null }} MetricsPoint
 *
 * @typedef {Run & { steps?: number[], contextLength?: number | null, embedded?: boolean,
 *   tokenizer?: { type: string, vocabSize: number, hasChatTemplate?: boolean } | null, checkpointBytes?: number | null,
 *   memoryBytes?: number | null, metrics?: { badLineCount: number, points: MetricsPoint[] } | null }} Card what GET /api/models/{id} says
 *
 * @typedef {import('./completion-events.js').TokenDetail} TokenDetail
 * @typedef {import('./completion-events.js').Piece} Piece
 */

/** An answer that is not a success, or none at all. */
export class ApiError extends Error {
	/**
	 * @param {string} message
	 * @param {number} status 0 when there was no answer
	 */
	constructor(message, status) {
		super(message)
		this.status = status
		/** There was no answer: the next one takes the error away. */
		this.isOffline = false
	}
}

const KEY = 'alpha.key'

/** The key that was given last: for the tab, or for longer if the user wants that. */
let apiKey = stored(sessionStorage) || stored(localStorage)

/** @param {Storage} storage */
function stored(storage) {
	return storage.getItem(KEY) ?? ''
}

/**
 * @param {string} key sent with every request from now on
 * @param {boolean} isKept in this browser, for longer than the tab is open
 */
export function useApiKey(key, isKept) {
	apiKey = key
	sessionStorage.setItem(KEY, key)
	if (isKept) localStorage.setItem(KEY, key)
	else localStorage.removeItem(KEY)
}

/** The server has refused it. @returns {boolean} whether there was one */
export function forgetApiKey() {
	const had = apiKey !== ''
	apiKey = ''
	sessionStorage.removeItem(KEY)
	localStorage.removeItem(KEY)
	return had
}

/** Whether requests are sent with a key. */
export function hasApiKey() {
	return apiKey !== ''
}

/**
 * @param {string} id
 * @param {number} points of its training log, at most
 * @returns {Promise<Card>}
 */
export async function readCard(id, points) {
	return (await request(`api/models/${encodeURIComponent(id)}?points=${points}`)).json()
}

/**
 * The events of a stream, until it ends.
 * @param {Response} response
 * @param {() => void} heard called when anything has come
 * @returns {AsyncGenerator<{ type: string, data: any }>}
 */
export async function* readEvents(response, heard) {
	const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
	if (reader === undefined) return
	let buffer = ''
	for (;;) {
		const { done, value } = await reader.read()
		if (done) return
		heard()
		buffer += value
		const blocks = buffer.split('\n\n')
		buffer = blocks.pop() ?? ''
		for (const block of blocks) {
			const lines = block.split('\n')
			const type = lines.find((line) => line.startsWith('event: '))?.slice('event: '.length)
			const data = lines.find((line) => line.startsWith('data: '))?.slice('data: '.length)
			if (type !== undefined && data !== undefined) yield { type, data: JSON.parse(data) }
		}
	}
}

/**
 * Asks /v1/completions, at once, and streams the answer.
 * @param {Record<string, unknown>} body
 * @param {AbortSignal} signal
 */
export function streamCompletion(body, signal) {
	return streamPieces('v1/completions', body, signal, addCompletionPieces)
}

/**
 * Asks /v1/chat/completions, at once, and streams the answer.
 * @param {Record<string, unknown>} body
 * @param {AbortSignal} signal
 */
export function streamChat(body, signal) {
	return streamPieces('v1/chat/completions', body, signal, addChatPieces)
}

/**
 * @param {string} path
 * @param {Record<string, unknown>} body
 * @param {AbortSignal} signal
 * @param {typeof addChatPieces} addPieces
 */
function streamPieces(path, body, signal, addPieces) {
	const asked = request(path, {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ ...body, stream: true }),
		signal,
	})
	// Whoever reads the pieces is told.
	asked.catch(() => {})
	return piecesOf(asked, signal, addPieces)
}

/**
 * The pieces of an answer until `[DONE]`; those that have come together are yielded together.
 * @param {Promise<Response>} asked
 * @param {AbortSignal} signal
 * @param {typeof addChatPieces} addPieces
 * @returns {AsyncGenerator<Piece[]>}
 */
async function* piecesOf(asked, signal, addPieces) {
	const response = await asked
	const truncatedTokens = Number(response.headers.get('x-alpha-truncated-prompt-tokens') ?? 0)
	for await (const events of eventBatches(response, signal)) {
		const isDone = events.at(-1) === '[DONE]'
		if (isDone) events.pop()
		/** @type {Piece[]} */
		const pieces = []
		const failure = addAll(events, pieces, truncatedTokens, addPieces)
		if (pieces.length > 0) yield pieces
		if (failure !== null) throw new ApiError(failure, response.status)
		if (isDone) return
	}
	throw new ApiError('The server went away before the answer was complete. What came is here.', 0)
}

/**
 * Adds the pieces of events, up to one that tells of a failure, which is returned.
 * @param {string[]} events
 * @param {Piece[]} pieces
 * @param {number} truncatedTokens
 * @param {typeof addChatPieces} addPieces
 */
function addAll(events, pieces, truncatedTokens, addPieces) {
	for (const event of events) {
		const failure = addPieces(event, pieces, truncatedTokens)
		if (failure !== null) return failure
	}
	return null
}

/**
 * A header for any characters: they travel as the bytes of UTF-8.
 * @param {string} token
 */
export function bearer(token) {
	return `Bearer ${String.fromCharCode(...new TextEncoder().encode(token))}`
}

/**
 * @param {string} path relative to the page, so that a proxy may serve it under a prefix
 * @param {RequestInit} [init]
 */
export async function request(path, init = {}) {
	const headers = new Headers(init.headers)
	if (apiKey !== '' && !headers.has('authorization')) headers.set('authorization', bearer(apiKey))
	/** @type {Response} */
	let response
	try {
		response = await fetch(new URL(path, document.baseURI), { ...init, headers })
	} catch (error) {
		if (init.signal?.aborted) throw error
		throw Object.assign(new ApiError('The server does not answer.', 0), { isOffline: true })
	}
	if (response.ok) return response
	const body = await response.json().catch(() => null)
	const message = body?.error?.message ?? `The server answered ${response.status}.`
	throw new ApiError(String(message), response.status)
}
