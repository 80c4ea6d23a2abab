/** Events of /v1/completions, of which thousands come in a second, as chunks with the tokens of each choice. */

/**
 * @typedef {[token: string, logprob: number][]} Top what a token might have been, the likeliest first
 * @typedef {{ readonly token: string, readonly logprob: number, readonly top: Top }} TokenDetail
 */

/** Around the alternatives of an event. Quotes inside a string are escaped, so no text looks like these. */
const TOP = '"top_logprobs":['
const BEHIND_TOP = '],"text_offset":['

/**
 * A token whose alternatives stay JSON until somebody asks for them: each token's are an object with
 * names of its own, which costs the browser more than all the rest of the event.
 */
class StreamedToken {
	#top

	/**
	 * @param {string} token
	 * @param {number} logprob
	 * @param {string} top JSON
	 */
	constructor(token, logprob, top) {
		this.token = token
		this.logprob = logprob
		this.#top = top
	}

	get top() {
		return toTop(JSON.parse(this.#top))
	}

	/** What is stored of it. @returns {TokenDetail} */
	toJSON() {
		return { token: this.token, logprob: this.logprob, top: this.top }
	}
}

/**
 * The chunk that an event is; `choices[…].details` are the tokens of a choice, if it tells them.
 * @param {string} json
 * @returns {any}
 */
export function parseCompletionChunk(json) {
	const from = json.indexOf(TOP) + TOP.length
	const to = json.indexOf(BEHIND_TOP, from)
	const isOne = from >= TOP.length && to > from && !json.includes(TOP, to)
	const chunk = JSON.parse(isOne ? json.slice(0, from) + json.slice(to) : json)
	for (const choice of chunk.choices ?? []) {
		const { logprobs } = choice
		if (!Array.isArray(logprobs?.tokens)) continue
		const top = isOne ? json.slice(from, to) : null
		choice.details = top === null ? read(logprobs) : unread(logprobs, top)
	}
	return chunk
}

/**
 * @param {any} logprobs the legacy arrays of a choice, with an entry per token
 * @returns {TokenDetail[]}
 */
function read({ tokens, token_logprobs: logprobs, top_logprobs: tops }) {
	return tokens.map((/** @type {string} */ token, /** @type {number} */ i) => ({
		token,
		logprob: logprobs?.[i] ?? 0,
		top: toTop(tops?.[i]),
	}))
}

/**
 * @param {any} logprobs the same without the alternatives
 * @param {string} top the alternatives as JSON, token by token
 * @returns {TokenDetail[]}
 */
function unread(logprobs, top) {
	const { tokens, token_logprobs: values } = logprobs
	if (tokens.length === 1) return [new StreamedToken(tokens[0], values?.[0] ?? 0, top)]
	return read({ ...logprobs, top_logprobs: JSON.parse(`[${top}]`) })
}

/**
 * Sorted, as names that are numbers come first in an object wherever they were written.
 * @param {Record<string, number> | null | undefined} logprobs
 * @returns {Top}
 */
function toTop(logprobs) {
	return Object.entries(logprobs ?? {}).sort((a, b) => b[1] - a[1])
}
