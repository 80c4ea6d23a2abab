/** What the Write view can do beside continuing a text. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { PageBrowser, write, written } from '../helpers/web-page.ts'

setDefaultTimeout(60_000)

describe.skipIf(chromiumPath === null)(`the Write view in Chromium${chromiumNote}`, () => {
	let browser: PageBrowser
	let server: AlphaServer

	beforeAll(async () => {
		server = await startAlpha({ runs: ['v1-bpe'] })
		browser = await PageBrowser.launch()
	})
	afterAll(async () => {
		await browser?.close()
		await server?.stop()
	})

	test('sends all parameters that differ from what the server does by itself', async () => {
		const page = await browser.open(server.url)
		await page.locator('#parameters .more summary').click()
		await page.locator('[aria-label="Min-p"]').fill('0.05')
		await page.locator('[aria-label="Repetition"]').fill('1.2')
		await page.locator('[aria-label="Presence"]').fill('0.5')
		await page.locator('[aria-label="Frequency"]').fill('-0.5')
		await page.locator('[aria-label="Alternatives"]').fill('3')
		await page.fill('#p-stop', 'THE END\n\\n\\n')
		await page.check('#p-keep')
		const [request] = await Promise.all([
			page.waitForRequest('**/v1/completions'),
			write(page, 'She had always'),
		])
		const body = request.postDataJSON()
		expect(body).toMatchObject({
			min_p: 0.05,
			repetition_penalty: 1.2,
			presence_penalty: 0.5,
			frequency_penalty: -0.5,
			logprobs: 3,
			stop: ['THE END', '\n\n'],
		})
		expect(await page.inputValue('#p-seed')).toBe(String(body.seed))
		const [again] = await Promise.all([
			page.waitForRequest('**/v1/completions'),
			page.click('#again'),
		])
		expect(again.postDataJSON().seed).toBe(body.seed)
		await written(page)
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test.each([320, 390, 1440])(
		'has its starters below what an empty sheet says, %i pixels wide',
		async (width) => {
			const page = await browser.open(server.url, { viewport: { width, height: 800 } })
			await page.selectOption('#model', 'novels-austen')
			await page.locator('#starters button').first().waitFor()
			const distance = await page.evaluate(() => {
				const prompt = document.querySelector<HTMLTextAreaElement>('#prompt')!
				const starters = document.querySelector('#starters')!.getBoundingClientRect()
				const { top } = prompt.getBoundingClientRect()
				prompt.value = prompt.placeholder
				prompt.style.cssText = 'align-self: start; block-size: 0; padding-block-end: 0'
				return starters.top - (top + prompt.scrollHeight)
			})
			expect(distance).toBeGreaterThanOrEqual(0)
			await page.context().close()
		},
	)

	test('an error goes with the next answer, however short it is', async () => {
		const page = await browser.open(server.url)
		await write(page, 'She had always')
		await written(page)
		const body = JSON.stringify({ error: { message: 'Ask again.' } })
		await page.route('**/v1/completions', (route) => route.fulfill({ status: 400, body }), {
			times: 1,
		})
		await page.click('#again')
		const error = page.locator('[role="alert"]', { hasText: 'Ask again.' })
		await error.waitFor()
		const event = JSON.stringify({ choices: [{ index: 0, text: ' so', finish_reason: 'stop' }] })
		await page.route('**/v1/completions', (route) =>
			route.fulfill({
				contentType: 'text/event-stream',
				body: `data: ${event}\n\ndata: [DONE]\n\n`,
			}),
		)
		await page.click('#again')
		await page.locator('#output', { hasText: 'She had always so' }).waitFor()
		await error.waitFor({ state: 'hidden' })
		await page.context().close()
	})

	test('counts the tokens and marks what is too old to be read', async () => {
		const page = await browser.open(server.url)
		await page.selectOption('#model', 'novels-austen')
		await page.fill('#prompt', 'She had always')
		await page.locator('#window', { hasText: /^\d+ of 256 tokens$/ }).waitFor()
		await page.locator('[aria-label="Max tokens"]').fill('400')
		await write(page, 'She had always been so very much in love. '.repeat(30))
		await page
			.locator('#window', { hasText: /^[6-9]\d\d tokens, the model reads the last 255$/ })
			.waitFor()
		expect(await page.textContent('#write-stats')).toMatch(/older tokens not read/)
		const behind = await page.evaluate(() => {
			const mark = document.querySelector('.window-start')
			const spans = [...document.querySelectorAll('#output span')]
			return spans.length - spans.indexOf(mark!)
		})
		expect(behind).toBeGreaterThan(240)
		expect(behind).toBeLessThan(257)
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('shows several continuations side by side and takes the chosen one', async () => {
		const page = await browser.open(server.url)
		await page.selectOption('#model', 'novels-austen')
		await page.locator('[aria-label="Max tokens"]').fill('30')
		await page.fill('#prompt', 'She had always')
		const [request] = await Promise.all([
			page.waitForRequest('**/v1/completions'),
			page.click('#variants'),
		])
		expect(request.postDataJSON().n).toBe(3)
		const take = page.locator('.column button:enabled')
		await take.nth(2).waitFor()
		const texts = await page.locator('.column .text').allTextContents()
		expect(new Set(texts).size).toBe(3)
		await take.nth(1).click()
		await page.locator('#output', { hasText: `She had always${texts[1]}` }).waitFor()
		expect(await page.locator('#output .token').count()).toBe(30)
		await page.keyboard.press('Control+z')
		expect(await page.inputValue('#prompt')).toBe('She had always')
		await page.context().close()
	})

	test('compares models and steps with the same prompt and seed', async () => {
		const page = await browser.open(server.url)
		await page.locator('[aria-label="Max tokens"]').fill('10')
		await page.fill('#prompt', 'The ')
		await page.click('#variants')
		await page.locator('.column button:enabled').nth(2).waitFor()
		await page
			.locator('.column')
			.nth(0)
			.locator('[aria-label="Model"]')
			.selectOption('novels-austen')
		const bodies: { model: string; seed: number; prompt: string; n: number }[] = []
		page.on('request', (request) => {
			if (request.url().endsWith('/v1/completions')) bodies.push(request.postDataJSON())
		})
		await page.click('dialog[open] footer .primary')
		await page.locator('dialog[open] footer .primary', { hasText: 'Write again' }).waitFor()
		expect(bodies.map(({ model, n }) => [model, n]).toSorted()).toEqual([
			['novels-austen', 1],
			['v1-bpe', 2],
		])
		expect(new Set(bodies.map(({ seed, prompt }) => `${seed} ${prompt}`)).size).toBe(1)
		await page.context().close()
	})
})
