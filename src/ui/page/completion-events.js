/** Events of /v1/completions, of which thousands come in a second, as chunks with the tokens of each choice. */

/**
 * @typedef {[token: string, logprob: number][]} Top what a token might have been, the likeliest first
 * @typedef {{ readonly token: string, readonly logprob: number, readonly top: Top }} TokenDetail
 */

const STRING = String.raw`"(?:[^"\\]|\\.)*"`
const NUMBER = String.raw`-?\d[\d.eE+-]*`

/** Nearly every event: one token of one choice. Quotes inside a string are escaped, so no text looks like this. */
const USUAL = new RegExp(
	[
		String.raw`"choices":\[\{"index":(\d+),"text":(${STRING}),"logprobs":\{"tokens":\[(${STRING})\],`,
		String.raw`"token_logprobs":\[(${NUMBER})\],"top_logprobs":\[(\{(?:${STRING}:${NUMBER},?)*\})\],`,
		String.raw`"text_offset":\[\d+\]\},`,
		String.raw`"finish_reason":null\}\]\}$`,
	].join(''),
)

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
 * The chunk that an event is, as far as the page reads it; `choices[…].details` are the tokens of a
 * choice, if it tells them.
 * @param {string} json
 * @returns {any}
 */
export function parseCompletionChunk(json) {
	const usual = USUAL.exec(json)
	if (usual === null) return readChunk(json)
	const [, index, text = '', token = '', logprob, top = ''] = usual
	const word = toText(token)
	return {
		choices: [
			{
				index: Number(index),
				text: text === token ? word : toText(text),
				finish_reason: null,
				details: [new StreamedToken(word, Number(logprob), top)],
			},
		],
	}
}

/** @param {string} json of a text, which seldom has anything escaped */
function toText(json) {
	return json.includes('\\') ? JSON.parse(json) : json.slice(1, -1)
}

/** @param {string} json */
function readChunk(json) {
	const chunk = JSON.parse(json)
	for (const choice of chunk.choices ?? []) {
		if (Array.isArray(choice.logprobs?.tokens)) choice.details = tokenDetails(choice.logprobs)
	}
	return chunk
}

/**
 * @param {any} logprobs the legacy arrays of a choice, with an entry per token
 * @returns {TokenDetail[]}
 */
function tokenDetails({ tokens, token_logprobs: logprobs, top_logprobs: tops }) {
	return tokens.map((/** @type {string} */ token, /** @type {number} */ i) => ({
		token,
		logprob: logprobs?.[i] ?? 0,
		top: toTop(tops?.[i]),
	}))
}

/**
 * Sorted, as names that are numbers come first in an object wherever they were written.
 * @param {Record<string, number> | null | undefined} logprobs
 * @returns {Top}
 */
function toTop(logprobs) {
	return Object.entries(logprobs ?? {}).sort((a, b) => b[1] - a[1])
}
