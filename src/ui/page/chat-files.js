/** Chats as files. */

/** @typedef {import('./chat.js').Message} Message */

const NAMES = { system: 'System', user: 'You', assistant: 'Model' }

/**
 * @param {import('./document.js').StoredDocument<Message>} chat
 * @param {'txt' | 'md' | 'json'} extension
 */
export function exportChat({ head, items, name }, extension) {
	if (extension === 'json') {
		const { title, model, step, parameters } = head
		const json = { format: 'alpha-chat', title, model, step, parameters, messages: items }
		return { type: 'application/json', text: `${JSON.stringify(json, null, '\t')}\n` }
	}
	const isPlain = extension === 'txt'
	const messages = items.map(({ role, content }) =>
		isPlain ? `${NAMES[role]}: ${content}` : `**${NAMES[role]}**\n\n${content}`,
	)
	const heading = isPlain ? [] : [`# ${name || 'Chat'}`]
	const type = isPlain ? 'text/plain' : 'text/markdown'
	return { type, text: `${[...heading, ...messages].join('\n\n')}\n` }
}

/**
 * Reads a chat: our JSON, a body of /v1/chat/completions, or bare messages; plain text is one message.
 * Throws an Error for the user when there are no messages in it.
 * @param {string} name
 * @param {string} content
 * @returns {{ title: string, messages: Message[] }}
 */
export function importChat(name, content) {
	const title = name.replace(/\.\w+$/, '')
	if (!name.endsWith('.json'))
		return { title, messages: [{ role: 'user', content: content.trim() }] }
	const json = parse(content)
	const list = Array.isArray(json) ? json : json?.messages
	if (!Array.isArray(list)) {
		throw new Error(`${name} has no messages: expected a list of {"role", "content"}.`)
	}
	const messages = list.map(toMessage)
	return { title: String(json.title || title), messages }
}

/** @param {string} content */
function parse(content) {
	try {
		return JSON.parse(content)
	} catch (error) {
		throw new Error(`The file is no JSON: ${error instanceof Error ? error.message : error}`)
	}
}

/**
 * @param {any} message
 * @returns {Message}
 */
function toMessage(message) {
	const { role, content } = message ?? {}
	const text = Array.isArray(content) ? content.map((part) => part?.text ?? '').join('') : content
	const known =
		role === 'assistant' || role === 'user'
			? role
			: role === 'system' || role === 'developer'
				? 'system'
				: 'user'
	return { role: known, content: String(text ?? '') }
}
