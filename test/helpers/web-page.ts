/** Pages of the executable's web page in the system's Chromium, for the tests in test/ui. */
import { expect } from 'bun:test'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { chromiumPath } from './chromium.ts'

/** One Chromium and the pages that tests open in it. */
export class PageBrowser {
	readonly #browser: Browser
	/** What the browser has complained about since the last page was opened. */
	readonly complaints: string[] = []

	private constructor(browser: Browser) {
		this.#browser = browser
	}

	static async launch(): Promise<PageBrowser> {
		return new PageBrowser(
			await chromium.launch({ executablePath: chromiumPath ?? '', args: ['--no-sandbox'] }),
		)
	}

	/** A fresh page, with a memory of its own, that has the list of models. */
	async open(address: string, options: BrowserContextOptions = {}): Promise<Page> {
		return this.openIn(await this.blank(options), address)
	}

	/** A page with a memory of its own that has not gone anywhere. */
	async blank(options: BrowserContextOptions = {}): Promise<Page> {
		return (await this.#browser.newContext(options)).newPage()
	}

	/** Another address, or tab, of a browser that remembers. */
	async openIn(page: Page, address: string): Promise<Page> {
		this.complaints.length = 0
		page.on('pageerror', (error) => this.complaints.push(error.message))
		page.on('console', (message) => {
			if (message.type() === 'error') this.complaints.push(message.text())
		})
		await page.goto(address)
		await page.locator('#model option').first().waitFor({ state: 'attached' })
		return page
	}

	close(): Promise<void> {
		return this.#browser.close()
	}
}

/** Lets the model continue a prompt; resolves when it has ended. */
export async function write(page: Page, prompt: string): Promise<void> {
	await page.fill('#prompt', prompt)
	await page.keyboard.press('Control+Enter')
	await written(page)
}

/** Resolves when what runs in Write has ended and all of its tokens are elements. */
export async function written(page: Page): Promise<void> {
	await page.locator('.token').first().waitFor({ state: 'attached' })
	await rested(page)
	await page.waitForFunction(() =>
		[...document.querySelectorAll('#output .block')].every(
			(block) => block.childElementCount === block.childNodes.length,
		),
	)
}

/** Resolves when nothing runs in Write. */
export function rested(page: Page): Promise<void> {
	return page.locator('#view-write:has(#output:not([aria-busy="true"])) #continue').waitFor()
}

/** The text of the sheet, once it is this. */
export async function expectText(page: Page, text: string): Promise<void> {
	const read = (expected: string | null) => {
		const prompt = document.querySelector<HTMLTextAreaElement>('#prompt')
		const shown = prompt?.hidden ? document.querySelector('#output')?.textContent : prompt?.value
		return expected === null ? shown : shown === expected
	}
	await page.waitForFunction(read, text, { timeout: 10_000 }).catch(() => {})
	expect(await page.evaluate(read, null)).toBe(text)
}

/** Resolves when the browser's database has so many documents. */
export async function untilStored(page: Page, count: number): Promise<void> {
	await page.evaluate(async (wanted) => {
		const result = <T>(request: IDBRequest<T>) =>
			new Promise<T>((resolve) => {
				request.onsuccess = () => resolve(request.result)
			})
		const database = await result(indexedDB.open('alpha', 1))
		const stored = () => result(database.transaction('heads').objectStore('heads').count())
		while ((await stored()) < wanted) await new Promise(requestAnimationFrame)
		database.close()
	}, count)
}
