/** The events of a streamed answer, of which thousands come in a second, as pieces of its text. */

/**
 * @typedef {[token: string, logprob: number][]} Top what a token might have been, the likeliest first
 * @typedef {{ readonly token: string, readonly logprob: number, readonly top: Top }} TokenDetail
 * @typedef {{ index: number, text: string, tokens: TokenDetail[] | null, finishReason: string | null,
 *   completionTokens: number | null, truncatedTokens: number }} Piece what an event tells of a choice;
 *   `truncatedTokens` of the prompt were too old to be read
 */

const STRING = String.raw`"(?:[^"\\]|\\.)*"`
const NUMBER = String.raw`-?\d[\d.eE+-]*`

/** Nearly every event: one token of one choice, which is its text. Quotes inside a string are escaped, so no text looks like this. */
const USUAL = new RegExp(
	[
		String.raw`"choices":\[\{"index":(\d+),"text":(${STRING}),"logprobs":\{"tokens":\[\2\],`,
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
 * Adds the pieces that an event of /v1/completions tells. Returns what has failed, null for nothing.
 * @param {string} json
 * @param {Piece[]} pieces
 * @param {number} truncatedTokens
 * @returns {string | null}
 */
export function addCompletionPieces(json, pieces, truncatedTokens) {
	const usual = USUAL.exec(json)
	if (usual === null) return addChunk(JSON.parse(json), pieces, truncatedTokens, completionContent)
	const [, index, word = '', logprob, top = ''] = usual
	const text = toText(word)
	pieces.push({
		index: Number(index),
		text,
		tokens: [new StreamedToken(text, Number(logprob), top)],
		finishReason: null,
		completionTokens: null,
		truncatedTokens,
	})
	return null
}

/**
 * Adds the pieces that an event of /v1/chat/completions tells. Returns what has failed, null for nothing.
 * @param {string} json
 * @param {Piece[]} pieces
 * @param {number} truncatedTokens
 * @returns {string | null}
 */
export function addChatPieces(json, pieces, truncatedTokens) {
	return addChunk(JSON.parse(json), pieces, truncatedTokens, chatContent)
}

/**
 * @param {any} chunk
 * @param {Piece[]} pieces
 * @param {number} truncatedTokens
 * @param {(choice: any) => Pick<Piece, 'text' | 'tokens'>} contentOf
 * @returns {string | null}
 */
function addChunk(chunk, pieces, truncatedTokens, contentOf) {
	if (chunk.error) return String(chunk.error.message)
	// One that tells the usage may have no choice.
	for (const choice of chunk.choices?.length > 0 ? chunk.choices : [undefined]) {
		pieces.push({
			index: Number(choice?.index ?? 0),
			...contentOf(choice),
			finishReason: choice?.finish_reason ?? null,
			completionTokens: chunk.usage?.completion_tokens ?? null,
			truncatedTokens,
		})
	}
	return null
}

/** @param {any} choice */
function completionContent(choice) {
	const logprobs = choice?.logprobs
	const tokens = Array.isArray(logprobs?.tokens) ? tokenDetails(logprobs) : null
	return { text: choice?.text ?? '', tokens }
}

/** @param {any} choice */
function chatContent(choice) {
	return { text: choice?.delta?.content ?? '', tokens: null }
}

/** @param {string} json of a text, which seldom has anything escaped */
function toText(json) {
	return json.includes('\\') ? JSON.parse(json) : json.slice(1, -1)
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
