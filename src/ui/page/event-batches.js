/** The events of a streamed answer, those that come close together in one batch. */

/**
 * Batches begin so far apart. What comes after a pause is told at once; of a fast stream fewer and
 * larger batches leave more of the processors to the server, which may run on the same.
 */
const PACE_MS = 40

/**
 * What the events carry, until the connection ends or breaks. What has come before `signal` is told
 * before the generator throws because of it.
 * @param {Response} response
 * @param {AbortSignal} signal that the request was made with
 * @returns {AsyncGenerator<string[]>} a string per event
 */
export async function* eventBatches(response, signal) {
	const reader = response.body?.getReader()
	if (reader === undefined) return
	const decoder = new TextDecoder()
	let text = ''
	let isEnded = false
	let comes = Promise.withResolvers()
	const read = async () => {
		for (;;) {
			const { done, value } = await reader.read()
			if (done) return
			text += decoder.decode(value, { stream: true })
			comes.resolve(null)
		}
	}
	const ended = read()
		// What was said so far stands, and whoever reads it knows that the end is missing.
		.catch(() => {})
		.finally(() => {
			isEnded = true
			comes.resolve(null)
		})
	let nextMs = Number.NEGATIVE_INFINITY
	try {
		for (;;) {
			await comes.promise
			const waitMs = nextMs - performance.now()
			if (waitMs > 0) await Promise.race([ended, delay(waitMs)])
			nextMs = performance.now() + PACE_MS
			comes = Promise.withResolvers()
			const wasEnded = isEnded
			const whole = text.lastIndexOf('\n') + 1
			const events = eventsOf(text.slice(0, whole))
			text = text.slice(whole)
			if (events.length > 0) yield events
			if (wasEnded) break
		}
	} finally {
		reader.cancel().catch(() => {})
	}
	signal.throwIfAborted()
}

/**
 * What the events of some lines carry.
 * @param {string} lines each with its end
 */
function eventsOf(lines) {
	const events = []
	for (let at = 0; at < lines.length; ) {
		const end = lines.indexOf('\n', at)
		if (lines.startsWith('data:', at)) events.push(lines.slice(at + 'data:'.length, end).trim())
		at = end + 1
	}
	return events
}

/** @param {number} ms */
function delay(ms) {
	return new Promise((resolve) => setTimeout(resolve, ms))
}
