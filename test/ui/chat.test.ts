/** The Chat view. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { eventually } from '../helpers/eventually.ts'
import { families } from '../helpers/families.ts'
import { PageBrowser, untilStored } from '../helpers/web-page.ts'

setDefaultTimeout(60_000)

describe.skipIf(chromiumPath === null)(`the Chat view in Chromium${chromiumNote}`, () => {
	let browser: PageBrowser
	let server: AlphaServer

	beforeAll(async () => {
		server = await startAlpha({ runs: ['v2-bpe-chat'] })
		browser = await PageBrowser.launch()
	})
	afterAll(async () => {
		await browser?.close()
		await server?.stop()
	})

	async function open(): Promise<Page> {
		const page = await browser.open(`${server.url}/#/chat`)
		await page.locator('[aria-label="Max tokens"]').fill('12')
		return page
	}

	async function answered(page: Page, count: number): Promise<void> {
		await page
			.locator('.message.assistant')
			.nth(count - 1)
			.waitFor()
		await page.locator('#send').waitFor()
	}

	async function say(page: Page, text: string): Promise<void> {
		await page.fill('#message', text)
		await page.keyboard.press('Enter')
		await page.locator('#send').waitFor()
	}

	const contents = (page: Page) => page.locator('.message .content').allTextContents()

	test('sends with Enter and breaks the line with Shift and Enter', async () => {
		const page = await open()
		await page.fill('#message', 'Hello')
		await page.keyboard.press('Shift+Enter')
		await page.keyboard.type('there')
		expect(await page.inputValue('#message')).toBe('Hello\nthere')
		await page.keyboard.press('Enter')
		await answered(page, 1)
		expect((await contents(page))[0]).toBe('Hello\nthere')
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('does it the other way round on a phone', async () => {
		const page = await browser.open(`${server.url}/#/chat`, {
			hasTouch: true,
			isMobile: true,
			viewport: { width: 390, height: 800 },
		})
		await page.fill('#message', 'Hello')
		await page.keyboard.press('Enter')
		expect(await page.inputValue('#message')).toBe('Hello\n')
		await page.keyboard.press('Shift+Enter')
		await answered(page, 1)
		await page.context().close()
	})

	test('says so when the model ends its answer at once', async () => {
		const page = await open()
		const end = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
		await page.route(
			'**/v1/chat/completions',
			(route) =>
				route.fulfill({
					contentType: 'text/event-stream',
					body: `data: ${JSON.stringify(end)}\n\ndata: [DONE]\n\n`,
				}),
			{ times: 1 },
		)
		await say(page, 'Hello')
		await answered(page, 1)
		expect(await contents(page)).toEqual(['Hello', ''])
		const said = await page
			.locator('.message.assistant .content')
			.evaluate((content) => getComputedStyle(content, '::before').content)
		expect(said).toContain('ended its answer at once')
		await say(page, 'And now?')
		await answered(page, 2)
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('sends a system message first', async () => {
		const page = await open()
		await page.click('#system-panel summary')
		await page.fill('#system', 'You are brief.')
		const [request] = await Promise.all([
			page.waitForRequest('**/v1/chat/completions'),
			say(page, 'Hello'),
		])
		expect(request.postDataJSON().messages).toEqual([
			{ role: 'system', content: 'You are brief.' },
			{ role: 'user', content: 'Hello' },
		])
		await page.context().close()
	})

	test('sends a system message that is still being typed, and leaves it alone meanwhile', async () => {
		const page = await open()
		await page.click('#system-panel summary')
		await page.fill('#message', 'Hello')
		await page.locator('#system').pressSequentially('Be brief.')
		const [request] = await Promise.all([
			page.waitForRequest('**/v1/chat/completions'),
			page.keyboard.press('Control+Enter'),
		])
		expect(request.postDataJSON().messages).toEqual([
			{ role: 'system', content: 'Be brief.' },
			{ role: 'user', content: 'Hello' },
		])
		await answered(page, 1)
		expect((await contents(page))[0]).toBe('Be brief.')
		await page.context().close()
	})

	test('keeps what is half written over a reload', async () => {
		const page = await open()
		await page.click('#system-panel summary')
		await page.fill('#message', 'Half a mess')
		await page.locator('#system').pressSequentially('You are')
		await page.reload()
		await page.locator('#system-panel[open]').waitFor()
		expect(await page.inputValue('#message')).toBe('Half a mess')
		expect(await page.inputValue('#system')).toBe('You are')
		await page.context().close()
	})

	test('edits, continues, branches and deletes any message, and undoes it', async () => {
		const page = await open()
		await page.selectOption('#model', 'novels-austen')
		await say(page, 'First')
		await answered(page, 1)
		await say(page, 'Second')
		await answered(page, 2)
		const [, answer = '', , last = ''] = await contents(page)
		const message = (n: number) => page.locator('.message').nth(n)
		await message(3).locator('[aria-label="Continue"]').click()
		await page.locator('#send').waitFor()
		await page.waitForFunction(
			(text) => document.querySelectorAll('.message .content')[3]?.textContent !== text,
			last,
		)
		expect((await contents(page))[3]).toStartWith(last)
		await message(0).hover()
		await message(0).locator('[aria-label="Edit"]').click()
		await page.locator('.message .edit textarea').fill('First, edited')
		await page.locator('.message .edit .primary').click()
		expect((await contents(page))[0]).toBe('First, edited')
		await message(2).hover()
		await message(2).locator('[aria-label="Delete"]').click()
		expect((await contents(page)).length).toBe(3)
		await page.locator('#chat-bar [aria-label^="Undo"]').click()
		await page.locator('#chat-bar [aria-label^="Undo"]').click()
		expect((await contents(page)).slice(0, 3)).toEqual(['First', answer, 'Second'])
		await message(1).hover()
		await message(1).locator('[aria-label="Branch from here"]').click()
		expect(await contents(page)).toEqual(['First', answer])
		await untilStored(page, 2)
		await page.click('#chat-bar [aria-label="Chats"]')
		await page.locator('dialog[open] li .open').nth(1).waitFor()
		await page.keyboard.press('Escape')
		await page.click('#chat-clear')
		expect(await contents(page)).toEqual([])
		await page.keyboard.press('Control+z')
		expect(await contents(page)).toEqual(['First', answer])
		await page.reload()
		await page.locator('.message').nth(1).waitFor()
		expect(await contents(page)).toEqual(['First', answer])
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('says that a model without chat template cannot be expected to answer', async () => {
		const page = await open()
		await page.locator('#chat-note', { hasText: 'Say something' }).waitFor()
		await page.selectOption('#model', 'novels-austen')
		await page.locator('#chat-note', { hasText: 'no chat template' }).waitFor()
		await page.context().close()
	})
})

describe.skipIf(chromiumPath === null)(`a model with a template of its own${chromiumNote}`, () => {
	test('is opened in Chat, and talked to by its template', async () => {
		await using server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		cpSync(join(families, 'qwen2'), join(server.checkpoints, 'qwen2'), { recursive: true })
		// The page decides by what it is told first, which may be a copy that is not whole yet.
		await eventually(async () => {
			const answer = await fetch(`${server.url}/tokenizer_info?model=qwen2`)
			return answer.ok && (await answer.json()).chat_template !== null
		})
		const browser = await PageBrowser.launch()
		const page = await browser.open(server.url)
		await page.locator('#view-chat').waitFor()
		expect(new URL(page.url()).hash).toBe('#/chat')
		expect(await page.locator('#chat-note').textContent()).not.toContain('no chat template')
		await page.locator('[aria-label="Max tokens"]').fill('8')
		await page.fill('#message', 'What is light?')
		await page.keyboard.press('Enter')
		await page.locator('.message.assistant .content').filter({ hasText: /./ }).waitFor()
		expect(browser.complaints).toEqual([])
		await browser.close()
	})

	test('leaves who asked for another view there', async () => {
		await using server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		cpSync(join(families, 'qwen2'), join(server.checkpoints, 'qwen2'), { recursive: true })
		const browser = await PageBrowser.launch()
		const page = await browser.open(`${server.url}/#/write`)
		await page.locator('#model option', { hasText: 'qwen2' }).waitFor({ state: 'attached' })
		await page.locator('#prompt').waitFor()
		expect(new URL(page.url()).hash).toBe('#/write')
		await browser.close()
	})
})
