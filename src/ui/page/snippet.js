import { hasApiKey } from './api.js'
import { byId, copyText, create } from './dom.js'
import { recall, remember } from './storage.js'

/**
 * @typedef {{ path: 'completions' | 'chat/completions', body: Record<string, unknown> }} Present the
 *   request that the page would send now
 */

/** Fields that the official clients do not know by name. */
const EXTRA_FIELDS = ['top_k', 'min_p', 'repetition_penalty']

/** @type {Record<string, (present: Present, base: string) => string>} */
const LANGUAGES = {
	curl({ path, body }, base) {
		const json = JSON.stringify({ ...body, stream: true }, null, 2).replaceAll(
			"'",
			String.raw`'\''`,
		)
		const key = hasApiKey() ? ' \\\n  -H "Authorization: Bearer $ALPHA_API_KEY"' : ''
		return `curl -N ${base}/${path}${key} \\\n  -H 'Content-Type: application/json' \\\n  -d '${json}'`
	},
	Python({ path, body }, base) {
		const own = Object.entries(body).filter(([name]) => !EXTRA_FIELDS.includes(name))
		const extra = Object.fromEntries(
			Object.entries(body).filter(([name]) => EXTRA_FIELDS.includes(name)),
		)
		const isChat = path === 'chat/completions'
		return [
			...(hasApiKey() ? ['import os'] : []),
			'from openai import OpenAI',
			'',
			`client = OpenAI(base_url=${JSON.stringify(base)}, api_key=${hasApiKey() ? 'os.environ["ALPHA_API_KEY"]' : '"none"'})`,
			`stream = client.${isChat ? 'chat.completions' : 'completions'}.create(`,
			...own.map(([name, value]) => `    ${name}=${JSON.stringify(value)},`),
			`    extra_body=${JSON.stringify(extra)},`,
			'    stream=True,',
			')',
			'for chunk in stream:',
			`    print(chunk.choices[0].${isChat ? 'delta.content or ""' : 'text'}, end="", flush=True)`,
		].join('\n')
	},
	JavaScript({ path, body }, base) {
		const isChat = path === 'chat/completions'
		const json = JSON.stringify({ ...body, stream: true }, null, 2).replaceAll(/"(\w+)":/g, '$1:')
		return [
			"import OpenAI from 'openai'",
			'',
			`const client = new OpenAI({ baseURL: ${JSON.stringify(base)}, apiKey: ${hasApiKey() ? 'process.env.ALPHA_API_KEY' : "'none'"} })`,
			`const stream = await client.${isChat ? 'chat.completions' : 'completions'}.create(${json})`,
			'for await (const chunk of stream) {',
			`  process.stdout.write(chunk.choices[0].${isChat ? "delta.content ?? ''" : 'text'})`,
			'}',
		].join('\n')
	},
}

/** The panel that shows the present request as code. */
export class SnippetPanel {
	#panel = byId('snippet', HTMLDetailsElement)
	#code = byId('code', HTMLElement)
	#present
	#language = String(recall('language') ?? 'curl')

	/** @param {() => Present} present */
	constructor(present) {
		this.#present = present
		const languages = byId('languages', HTMLDivElement)
		for (const name of Object.keys(LANGUAGES)) {
			const button = create('button', { type: 'button' }, name)
			button.addEventListener('click', () => {
				this.#language = name
				remember('language', name)
				this.update()
			})
			languages.append(button)
		}
		this.#panel.addEventListener('toggle', () => this.update())
		const copy = byId('copy', HTMLButtonElement)
		copy.addEventListener('click', () => copyText(copy, this.#code.textContent ?? ''))
	}

	update() {
		if (!this.#panel.open) return
		for (const button of this.#panel.querySelectorAll('#languages button')) {
			button.setAttribute('aria-pressed', String(button.textContent === this.#language))
		}
		const write = LANGUAGES[this.#language] ?? LANGUAGES['curl']
		const base = new URL('v1', document.baseURI).href
		this.#code.textContent = write?.(this.#present(), base) ?? ''
	}
}
