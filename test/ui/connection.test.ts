/** The page while the server wants a key, is slow, or goes away. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { PageBrowser } from '../helpers/web-page.ts'

setDefaultTimeout(60_000)

const key = 'k:"\'\\/;ey'

describe.skipIf(chromiumPath === null)(`the page and its server${chromiumNote}`, () => {
	let browser: PageBrowser
	let locked: AlphaServer
	let server: AlphaServer

	beforeAll(async () => {
		locked = await startAlpha({ runs: ['v1-bpe'], env: { ALPHA_API_KEYS: key } })
		server = await startAlpha({ runs: ['v1-bpe'] })
		browser = await PageBrowser.launch()
	})
	afterAll(async () => {
		await browser?.close()
		await locked?.stop()
		await server?.stop()
	})

	test('asks for the key first of all, and shows it in no snippet', async () => {
		const page = await browser.blank()
		await page.goto(locked.url)
		await page.locator('#view-key').waitFor()
		expect(await page.locator('#view-write').isVisible()).toBe(false)
		// No menu before there is something to choose.
		expect(await page.locator('#model').isVisible()).toBe(false)
		await page.fill('#key', 'wröng ✓')
		await page.keyboard.press('Enter')
		await page.locator('#key-problem').waitFor()
		await page.fill('#key', key)
		await page.keyboard.press('Enter')
		await page.locator('#view-write').waitFor()
		await page.click('#snippet summary')
		await page.locator('#code', { hasText: '"Authorization: Bearer $ALPHA_API_KEY"' }).waitFor()
		expect(await page.textContent('#code')).not.toContain(key)
		await page.reload()
		await page.locator('#view-write').waitFor()
		await page.context().close()
	})

	test('keeps the key for the tab, or for longer if that is wanted', async () => {
		const page = await browser.blank()
		await page.goto(locked.url)
		await page.fill('#key', key)
		await page.keyboard.press('Enter')
		await page.locator('#view-write').waitFor()
		const other = await page.context().newPage()
		await other.goto(locked.url)
		await other.fill('#key', key)
		await other.check('#key-keep')
		await other.click('#key-form .primary')
		await other.locator('#view-write').waitFor()
		const third = await page.context().newPage()
		await third.goto(locked.url)
		await third.locator('#view-write').waitFor()
		await page.context().close()
	})

	test('shows where things will be until the list has come', async () => {
		const page = await browser.blank()
		const { promise: held, resolve: release } = Promise.withResolvers<void>()
		await page.route('**/api/events', async (route) => {
			await held
			await route.continue()
		})
		await page.goto(server.url)
		await page.locator('#skeleton').waitFor()
		expect(await page.locator('#view-write').isVisible()).toBe(false)
		release()
		await page.locator('#view-write').waitFor()
		expect(await page.locator('#skeleton').isVisible()).toBe(false)
		await page.context().close()
	})

	test('keeps what came of an answer that broke off, and offers to go on', async () => {
		const page = await browser.blank()
		await page.goto(server.url)
		const chunk = { choices: [{ index: 0, text: ' first words', finish_reason: null }] }
		const body = `data: ${JSON.stringify(chunk)}\n\n`
		await page.route('**/v1/completions', (route) =>
			route.fulfill({ contentType: 'text/event-stream', body }),
		)
		await page.fill('#prompt', 'The')
		await page.click('#continue')
		await page.locator('#error', { hasText: 'went away before the answer was complete' }).waitFor()
		expect(await page.textContent('#output')).toBe('The first words')
		await page.unroute('**/v1/completions')
		await page.click('#error-retry')
		await page.waitForFunction(() => {
			return (
				(document.querySelector('#output')?.textContent ?? '').length > 'The first words'.length
			)
		})
		expect(await page.textContent('#output')).toStartWith('The first words')
		expect(await page.locator('#error').isVisible()).toBe(false)
		await page.context().close()
	})

	test('shows a sign while the server is away, and takes the errors of that time away with it', async () => {
		const first = await startAlpha({ runs: ['v1-bpe'] })
		const page = await browser.blank()
		await page.goto(first.url)
		await page.locator('#view-write').waitFor()
		await first.stop()
		await page.locator('#offline').waitFor()
		await page.fill('#prompt', 'The')
		await page.click('#continue')
		await page.locator('#error', { hasText: 'does not answer' }).waitFor()
		await using back = await startAlpha({ runs: ['v1-bpe'], args: [`--port=${first.port}`] })
		expect(back.port).toBe(first.port)
		await page.locator('#offline').waitFor({ state: 'hidden' })
		expect(await page.locator('#error').isVisible()).toBe(false)
		expect(await page.inputValue('#prompt')).toBe('The')
		await page.context().close()
	})

	test('copies on plain http too', async () => {
		const page = await browser.blank()
		await page.addInitScript(() =>
			Object.defineProperty(navigator, 'clipboard', { value: undefined }),
		)
		await page.goto(server.url)
		await page.fill('#prompt', 'To be copied')
		await page.click('#copy-text')
		await page.locator('#copy-text', { hasText: 'Copied' }).waitFor()
		await page.focus('#prompt')
		await page.keyboard.press('Control+a')
		await page.keyboard.press('Control+v')
		expect(await page.inputValue('#prompt')).toBe('To be copied')
		await page.context().close()
	})
})
