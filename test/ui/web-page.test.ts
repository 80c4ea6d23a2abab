/** The web page in a real browser, against the executable with its embedded model. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { rested, write, written } from '../helpers/web-page.ts'

// A browser on a busy machine takes its time.
setDefaultTimeout(60_000)

describe.skipIf(chromiumPath === null)(`the web page in Chromium${chromiumNote}`, () => {
	let browser: Browser
	let server: AlphaServer
	const complaints: string[] = []

	beforeAll(async () => {
		server = await startAlpha({ runs: [], args: ['--checkpoints', '/proc/nowhere'] })
		browser = await chromium.launch({
			executablePath: chromiumPath ?? '',
			args: ['--no-sandbox'],
		})
	})
	afterAll(async () => {
		await browser?.close()
		await server?.stop()
	})

	/** A fresh page that has the list of models; whatever the browser complains about is collected. */
	async function open(address = server.url): Promise<Page> {
		const page = await browser.newPage()
		complaints.length = 0
		page.on('pageerror', (error) => complaints.push(error.message))
		page.on('console', (message) => {
			if (message.type() === 'error') complaints.push(message.text())
		})
		await page.goto(address)
		await page.locator('#model option').first().waitFor({ state: 'attached' })
		return page
	}

	test('continues a text and tells how fast', async () => {
		const page = await open()
		await write(page, 'She had always')
		const text = (await page.textContent('#output')) ?? ''
		expect(text).toStartWith('She had always')
		expect(text.length).toBeGreaterThan('She had always'.length + 20)
		expect(await page.textContent('#write-stats')).toMatch(
			/^200 tokens · [\d,]+ tok\/s · first token [\d,]+ ms seed \d+$/,
		)
		expect(complaints).toEqual([])
		await page.close()
	})

	test('gives the same text again for the same seed', async () => {
		const page = await open()
		await page.fill('#p-seed', '7')
		await write(page, 'She had always')
		const first = await page.textContent('#output')
		await page.click('#again')
		await rested(page)
		await page.waitForFunction(
			(text) => document.querySelector('#output')?.textContent === text,
			first,
		)
		await page.close()
	})

	test('shows what else a token might have been and goes on from there', async () => {
		const page = await open()
		await write(page, 'She had always')
		// A token may be a line end, which has no place for a pointer.
		await page.locator('.token').nth(3).dispatchEvent('click')
		const choices = page.locator('#alternatives button')
		expect(await choices.count()).toBeGreaterThanOrEqual(5)
		const other = page.locator('#alternatives button:not([aria-current]) span').first()
		const token = ((await other.textContent()) ?? '').replaceAll('␣', ' ').replaceAll('⏎', '\n')
		await other.click()
		await rested(page)
		expect(await page.locator('.token').nth(3).textContent()).toBe(token)
		await page.click('#write-bar [aria-label^="Undo"]')
		expect(await page.locator('.token').nth(3).textContent()).not.toBe(token)
		expect(complaints).toEqual([])
		await page.close()
	})

	test('shows the words of a word model apart, with what else each might have been', async () => {
		await using words = await startAlpha({ runs: ['v1-word'], args: ['--no-embedded-model'] })
		const page = await open(words.url)
		await write(page, 'Am F C')
		const tokens = await page.locator('.token').allTextContents()
		expect(tokens.length).toBe(200)
		expect(await page.textContent('#output')).toBe(`Am F C${tokens.join('')}`)
		expect(tokens.every((token) => /^( \S+|\n|\S+)$/.test(token))).toBe(true)
		expect(tokens[0]).toMatch(/^[ \n]/)
		await page.locator('.token').first().dispatchEvent('click')
		const other = page.locator('#alternatives button:not([aria-current]) span').first()
		const chosen = ((await other.textContent()) ?? '').replaceAll('␣', ' ').replaceAll('⏎', '\n')
		expect(chosen).toMatch(/^( \S+|\n)$/)
		await other.click()
		await rested(page)
		expect(await page.textContent('#output')).toStartWith(`Am F C${chosen}`)
		expect(complaints).toEqual([])
		await page.close()
	})

	test('draws a long text without gaps while it grows, and forgets nothing when it is taken back', async () => {
		const page = await open()
		await page.locator('[aria-label="Max tokens"]').fill('2048')
		await write(page, 'A line of the user.\n'.repeat(500))
		await page.click('#continue')
		await written(page)
		const { tokens, drawn, blocks } = await page.evaluate(() => ({
			tokens: document.querySelectorAll('.token').length,
			drawn: [...document.querySelectorAll('#output span')]
				.map((span) => span.textContent)
				.join(''),
			blocks: document.querySelectorAll('#output .block').length,
		}))
		expect(tokens).toBe(2 * 2048)
		expect(blocks).toBeGreaterThan(10)
		expect(await page.textContent('#output')).toBe(drawn)
		expect(drawn).toStartWith('A line of the user.\n'.repeat(500))
		await page.click('#write-bar [aria-label^="Undo"]')
		await page.waitForFunction(() => document.querySelectorAll('.token').length === 2048)
		expect(drawn).toStartWith((await page.textContent('#output')) ?? '')
		expect(complaints).toEqual([])
		await page.close()
	})

	test.each([
		{ name: 'tokens where their surprise is shown', heat: true },
		{ name: 'text that becomes tokens in the end, where it is not', heat: false },
	])('draws a stream as $name, and keeps what is selected of it', async ({ heat }) => {
		const page = await open()
		await page.locator('[aria-label="Max tokens"]').fill('1000')
		await page.locator('#heat').setChecked(heat)
		await page.evaluate(() => {
			const output = document.querySelector<HTMLElement>('#output')!
			new MutationObserver((_, observer) => {
				if ((output.textContent?.length ?? 0) < 200) return
				observer.disconnect()
				const selection = getSelection()!
				selection.selectAllChildren(output)
				selection.collapseToStart()
				for (let i = 0; i < 150; i++) selection.modify('extend', 'forward', 'character')
				output.dataset['selected'] = selection.toString()
				output.dataset['tokens'] = String(document.querySelectorAll('.token').length)
			}).observe(output, { childList: true, characterData: true, subtree: true })
		})
		await write(page, 'She had always')
		const output = page.locator('#output')
		const selected = (await output.getAttribute('data-selected')) ?? ''
		expect(selected.length).toBeGreaterThan(100)
		expect(selected).toStartWith('She had always')
		expect(await page.evaluate(() => getSelection()!.toString())).toBe(selected)
		expect(Number(await output.getAttribute('data-tokens')) > 0).toBe(heat)
		expect(await page.locator('.token').count()).toBe(1000)
		expect(complaints).toEqual([])
		await page.close()
	})

	test('stops at once on Escape', async () => {
		const page = await open()
		await page.locator('[aria-label="Max tokens"]').fill('2048')
		// From inside the page: through the browser's protocol the key might come after the last token.
		await page.evaluate(() => {
			const key = new KeyboardEvent('keydown', { key: 'Escape', bubbles: true })
			const output = document.querySelector('#output')!
			new MutationObserver(() => {
				const hasMore = (output.textContent?.length ?? 0) > 'She had always'.length
				if (hasMore) document.body.dispatchEvent(key)
			}).observe(output, { childList: true, characterData: true, subtree: true })
		})
		await page.fill('#prompt', 'She had always')
		await page.keyboard.press('Control+Enter')
		await written(page)
		expect(await page.locator('.token').count()).toBeLessThan(2048)
		expect(await page.locator('#error').isHidden()).toBe(true)
		await page.close()
	})

	test('shows that it waits where no words come, and can be stopped', async () => {
		const page = await open()
		await write(page, 'She had always')
		await page.route('**/v1/completions', () => {})
		await page.click('#continue')
		await page.locator('#stop').waitFor()
		expect(await page.locator('#again').isDisabled()).toBe(true)
		await page.click('#stop')
		await rested(page)
		expect(await page.locator('.token').count()).toBe(200)
		await page.close()
	})

	test('chats', async () => {
		const page = await open(`${server.url}/#/chat`)
		await page.fill('#message', 'Good morning.')
		await page.keyboard.press('Control+Enter')
		await page.locator('#chat-again:not([disabled])').waitFor()
		expect((await page.locator('.messages .assistant').textContent())?.length).toBeGreaterThan(20)
		expect(complaints).toEqual([])
		await page.close()
	})

	test('shows an error of the server as text', async () => {
		const page = await open()
		await page.route('**/v1/completions', (route) =>
			route.fulfill({ status: 503, json: { error: { message: '<b>busy</b>, try again' } } }),
		)
		await page.fill('#prompt', 'She')
		await page.click('#continue')
		await page.locator('#error').waitFor()
		expect(await page.textContent('#error')).toBe('<b>busy</b>, try again')
		expect(await page.inputValue('#prompt')).toBe('She')
		await page.close()
	})

	test('does not offer a run that is still arriving', async () => {
		await using arriving = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		const run = join(arriving.checkpoints, 'arriving')
		mkdirSync(run)
		writeFileSync(join(run, 'config.json'), '{}')
		const page = await browser.newPage()
		await page.goto(arriving.url)
		const option = page.locator('#model option', { hasText: 'arriving (arriving)' })
		await option.waitFor({ state: 'attached' })
		expect(await option.isDisabled()).toBe(true)
		await page.locator('text=No model yet').waitFor()
		await page.close()
	})

	test('tells how to bring a model when there is none', async () => {
		await using empty = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		const page = await browser.newPage()
		await page.goto(empty.url)
		await page.locator('text=No model yet').waitFor()
		const commands = await page.locator('#view-empty pre').allTextContents()
		expect(commands[0]).toBe(`scp -r my-model 127.0.0.1:${empty.checkpoints}/`)
		expect(commands[1]).toBe(`alpha upload my-model --to ${empty.url}`)
		expect(commands[2]).toContain(`curl ${empty.url}/api/upload`)
		await page.close()
	})
})
