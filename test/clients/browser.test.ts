/** A real Chromium against the compiled server: pages of another origin, and the server's own pages. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { startAlpha } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { engineStops, generatedTokens } from './engine-load.ts'

// A browser on a busy machine takes its time.
setDefaultTimeout(60_000)

describe.skipIf(chromiumPath === null)(`in Chromium${chromiumNote}`, () => {
	let server: Awaited<ReturnType<typeof startAlpha>>
	let pages: ReturnType<typeof servePages>
	let browser: Browser

	beforeAll(async () => {
		// Slow enough to see text grow.
		server = await startAlpha({ args: ['--isa=scalar', '--threads=1'] })
		pages = servePages({
			'/chat.js': await bundle('chat-page.tsx'),
			'/openai.js': await bundle('openai-page.ts'),
		})
		browser = await chromium.launch({
			executablePath: chromiumPath ?? '',
			// Chromium's own sandbox refuses to start as root.
			args: ['--no-sandbox'],
		})
	})

	afterAll(async () => {
		await browser?.close()
		await pages?.stop(true)
		await server?.stop()
	})

	/** Opens a page of another origin that talks to the server. */
	async function open(script: string, query: Record<string, string>): Promise<Page> {
		const page = await browser.newPage()
		await page.addInitScript(recordGrowth)
		const search = new URLSearchParams({ script, ...query })
		await page.goto(`http://localhost:${pages.port}/?${search}`)
		return page
	}

	describe('useChat of @ai-sdk/react with the text stream transport', () => {
		const api = () => `${server.url}/api/chat`

		test('shows the reply while it grows', async () => {
			const page = await open('/chat.js', {
				api: api(),
				model: 'novels-austen',
				maxTokens: '500',
				text: 'It is a truth universally acknowledged, that',
			})
			await page.click('#send')
			await page.waitForSelector('main[data-status=ready]:has(p.assistant)')
			const reply = await page.textContent('p.assistant')
			expect(reply?.length).toBeGreaterThan(100)
			const growth = await page.evaluate(() => (window as unknown as Recorded).growth)
			expect(growth.length).toBeGreaterThan(10)
			for (const [i, text] of growth.entries()) expect(text).toStartWith(growth[i - 1] ?? '')
			expect(growth.at(-1)).toBe(reply ?? '')
			await page.close()
		})

		test('keeps a conversation', async () => {
			const page = await open('/chat.js', {
				api: api(),
				model: 'v2-bpe-chat',
				text: 'What is your name?',
			})
			for (const replies of [1, 2]) {
				await page.click('#send')
				const isReady = `main[data-status=ready]:has(p.assistant:nth-of-type(${replies * 2}))`
				await page.waitForSelector(isReady)
			}
			const texts = await page.locator('p.assistant').allTextContents()
			expect(texts[0]).toBe('My name is Alpha.')
			expect(texts[1]).not.toBe('')
			await page.close()
		})

		test('stops the engine with its stop button', async () => {
			const before = await generatedTokens(server)
			const page = await open('/chat.js', {
				api: api(),
				model: 'novels-austen',
				maxTokens: '500',
				text: 'The',
			})
			await page.click('#send')
			await page.waitForSelector('p.assistant')
			await page.click('#stop')
			await engineStops(server)
			expect((await generatedTokens(server)) - before).toBeLessThan(400)
			await page.waitForSelector('main[data-status=ready]')
			await page.close()
		})

		test('shows what was wrong with a request', async () => {
			const page = await open('/chat.js', { api: api(), model: 'nobody', text: 'Hello' })
			await page.click('#send')
			await page.waitForSelector('main[data-status=error]')
			const { error } = JSON.parse((await page.textContent('output')) ?? '')
			expect(error).toMatchObject({ code: 'model_not_found', param: 'model' })
			await page.close()
		})
	})

	test('the openai package works from another origin', async () => {
		const page = await open('/openai.js', {
			api: `${server.url}/v1`,
			model: 'v2-bpe-chat',
			text: 'What is your name?',
		})
		await page.waitForSelector('body[data-status=done]')
		expect(await page.textContent('body')).toBe('My name is Alpha.')
		await page.close()
	})

	test('the built-in EventSource reads /api/inference from another origin', async () => {
		const page = await open('', {})
		const query = 'query=The&model=novels-austen&steps=30'
		const tokens = await page.evaluate(readInference, `${server.url}/api/inference?${query}`)
		expect(tokens[0]).toBe('The')
		expect(tokens.length).toBeGreaterThan(20)
		await page.close()
	})
})

/** What `recordGrowth` leaves in a page. */
interface Recorded {
	readonly growth: readonly string[]
}

/** Runs in the page: notes each text that the assistant's message has had. */
function recordGrowth(): void {
	const growth: string[] = []
	Object.assign(window, { growth })
	new MutationObserver(() => {
		const text = document.querySelector('p.assistant')?.textContent ?? ''
		if (text !== '' && text !== growth.at(-1)) growth.push(text)
	}).observe(document, { subtree: true, childList: true, characterData: true })
}

/** Runs in the page: all tokens of an event stream. */
function readInference(url: string): Promise<string[]> {
	return new Promise((resolve, reject) => {
		const tokens: string[] = []
		const source = new EventSource(url)
		source.onmessage = ({ data }) => {
			if (data === '[DONE]') {
				source.close()
				resolve(tokens)
			} else {
				tokens.push(JSON.parse(data).token)
			}
		}
		source.onerror = () => reject(new Error('the event source failed'))
	})
}

async function bundle(entry: string): Promise<string> {
	const result = await Bun.build({
		entrypoints: [join(import.meta.dir, 'browser', entry)],
		target: 'browser',
		define: { 'process.env.NODE_ENV': '"production"' },
	})
	return await result.outputs[0]!.text()
}

/** Serves one page, with the script that its query names, on an origin of its own. */
function servePages(scripts: Readonly<Record<string, string>>) {
	return Bun.serve({
		port: 0,
		fetch(request) {
			const { pathname, searchParams } = new URL(request.url)
			const script = scripts[pathname]
			if (script !== undefined) {
				return new Response(script, { headers: { 'content-type': 'text/javascript' } })
			}
			const src = searchParams.get('script')
			const tag = src ? `<script type="module" src="${src}"></script>` : ''
			return new Response(`<!doctype html><title>Page</title><body>${tag}</body>`, {
				headers: { 'content-type': 'text/html' },
			})
		},
	})
}
