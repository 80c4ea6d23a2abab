/** Nothing is lost: texts and chats in the browser's memory, over reloads and in several tabs. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { expectText, PageBrowser, untilStored, write, written } from '../helpers/web-page.ts'

setDefaultTimeout(60_000)

describe.skipIf(chromiumPath === null)(`documents of the page${chromiumNote}`, () => {
	let browser: PageBrowser
	let server: AlphaServer

	beforeAll(async () => {
		server = await startAlpha({ runs: [], args: ['--checkpoints', '/proc/nowhere'] })
		browser = await PageBrowser.launch()
	})
	afterAll(async () => {
		await browser?.close()
		await server?.stop()
	})

	const textOf = (page: Page) => page.locator('#output').textContent()

	test('come back after a reload with their tokens, probabilities and parameters', async () => {
		const page = await browser.open(server.url)
		await page.locator('[aria-label="Max tokens"]').fill('40')
		await page.locator('[aria-label="Temperature"]').fill('0.3')
		await write(page, 'She had always')
		const text = (await textOf(page)) ?? ''
		await untilStored(page, 1)
		await page.locator('[aria-label="Temperature"]').fill('1.5')
		await page.evaluate(() => localStorage.removeItem('alpha.parameters'))
		await page.locator('[aria-label="Temperature"]').fill('0.3')
		await page.reload()
		await page.locator('.token').first().waitFor({ state: 'attached' })
		await expectText(page, text)
		expect(await page.locator('.token').count()).toBe(40)
		expect(await page.inputValue('[aria-label="Temperature"]')).toBe('0.3')
		await page.locator('.token').nth(5).click()
		expect(await page.locator('#alternatives button').count()).toBeGreaterThanOrEqual(5)
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('come back with what was typed last, also in a browser that had none', async () => {
		const page = await browser.open(server.url)
		await page.locator('#prompt').pressSequentially('Typed and')
		await page.reload()
		await expectText(page, 'Typed and')
		await page.context().close()
	})

	test('can be undone and redone step by step, typed edits and clearing included', async () => {
		const page = await browser.open(server.url)
		await page.locator('[aria-label="Max tokens"]').fill('30')
		await write(page, 'She had always')
		const first = (await textOf(page)) ?? ''
		await page.click('#edit')
		await page.focus('#prompt')
		await page.keyboard.press('Control+End')
		await page.keyboard.type(' and then')
		await page.keyboard.press('Control+Enter')
		await written(page)
		const second = (await textOf(page)) ?? ''
		expect(second).toStartWith(`${first} and then`)
		expect(await page.locator('.token').count()).toBe(60)
		await page.click('#again')
		await written(page)
		const third = (await textOf(page)) ?? ''
		expect(third).toStartWith(`${first} and then`)
		await page.locator('#write-bar summary').click()
		await page.locator('#write-bar .menu-list button', { hasText: 'Clear' }).click()
		await expectText(page, '')
		const states = [third, second, `${first} and then`, first, 'She had always', '']
		for (const state of states) {
			await page.keyboard.press('Control+z')
			await expectText(page, state)
		}
		for (const state of [...states.toReversed().slice(1), '']) {
			await page.keyboard.press('Control+Shift+z')
			await expectText(page, state)
		}
		await untilStored(page, 1)
		await page.reload()
		await page.locator('#write-bar [aria-label^="Undo"]:enabled').waitFor()
		await page.locator('#write-bar [aria-label^="Undo"]').click()
		await expectText(page, third)
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('keep the probabilities in front of an edit, and forget those behind it', async () => {
		const page = await browser.open(server.url)
		await page.locator('[aria-label="Max tokens"]').fill('30')
		await write(page, 'She had always')
		const tokens = await page.locator('.token').allTextContents()
		await page.click('#edit')
		await page.focus('#prompt')
		const at = `She had always${tokens.slice(0, 10).join('')}`.length
		await page.evaluate((place) => {
			const prompt = document.querySelector('textarea')!
			prompt.setSelectionRange(place, place)
		}, at)
		await page.keyboard.type('XYZ')
		await page.click('#edit')
		await expectText(
			page,
			`She had always${tokens.slice(0, 10).join('')}XYZ${tokens.slice(10).join('')}`,
		)
		expect(await page.locator('.token').allTextContents()).toEqual(tokens.slice(0, 10))
		await page.context().close()
	})

	test('have a list in which they are found, renamed, deleted and brought back', async () => {
		const page = await browser.open(server.url)
		await page.fill('#prompt', 'About the sea')
		await untilStored(page, 1)
		await page.click('[aria-label="New text"]')
		await page.fill('#prompt', 'About the hills')
		await untilStored(page, 2)
		await page.click('#write-bar [aria-label="Texts"]')
		const rows = page.locator('dialog.documents[open] li')
		await rows.nth(1).waitFor()
		expect(await rows.count()).toBe(2)
		await page.fill('dialog[open] input[type="search"]', 'SEA')
		await rows.filter({ hasNotText: 'hills' }).first().waitFor()
		await page.click('[aria-label="Rename About the sea"]')
		await page.fill('dialog[open] form input', 'My sea')
		await page.keyboard.press('Enter')
		await rows.filter({ hasText: 'My sea' }).waitFor()
		await page.click('[aria-label="Delete My sea"]')
		await page.locator('li.deleted', { hasText: 'My sea' }).getByText('Bring back').click()
		await rows.filter({ hasText: 'My sea' }).locator('.open').click()
		await expectText(page, 'About the sea')
		expect(await page.inputValue('#write-bar .title')).toBe('My sea')
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('are not overwritten by a second tab: who writes later goes on with a copy', async () => {
		const page = await browser.open(server.url)
		await page.fill('#prompt', 'One')
		await untilStored(page, 1)
		const other = await browser.openIn(await page.context().newPage(), server.url)
		await expectText(other, 'One')
		// An edit of the first tab is shown by the second one.
		await page.fill('#prompt', 'One two')
		await expectText(other, 'One two')
		// Both write before either has stored: neither loses anything.
		await Promise.all([
			page.fill('#prompt', 'One two, first'),
			other.fill('#prompt', 'One two, second'),
		])
		await untilStored(page, 2)
		await page.click('#write-bar [aria-label="Texts"]')
		await page.locator('dialog[open] li').nth(1).waitFor()
		const names = await page.locator('dialog[open] li .open b').allTextContents()
		expect(names.filter((name) => name.endsWith(' (copy)')).length).toBe(1)
		expect(names.map((name) => name.replace(' (copy)', '')).toSorted()).toEqual([
			'One two, first',
			'One two, second',
		])
		await page.context().close()
	})

	test('are not overwritten by what a tab had not stored when it went', async () => {
		const page = await browser.open(server.url)
		await page.fill('#prompt', 'One two')
		await untilStored(page, 1)
		await page.fill('#prompt', 'One two, mine')
		// As another tab does that has written in the same moment.
		await page.evaluate(async () => {
			const result = <T>(request: IDBRequest<T>) =>
				new Promise<T>((resolve) => {
					request.onsuccess = () => resolve(request.result)
				})
			const database = await result(indexedDB.open('alpha', 1))
			const heads = database.transaction('heads', 'readwrite').objectStore('heads')
			const [head] = await result(heads.getAll())
			await result(heads.put({ ...head, version: head.version + 1, title: 'Theirs' }))
			database.close()
		})
		await page.reload()
		await expectText(page, 'One two')
		await page.click('#write-bar [aria-label="Texts"]')
		await page.locator('dialog[open] li').nth(1).waitFor()
		const names = await page.locator('dialog[open] li .open b').allTextContents()
		expect(names.toSorted()).toEqual(['One two, mine (copy)', 'Theirs'])
		await page.context().close()
	})

	test('are saved as text, Markdown and JSON, and opened again with their tokens', async () => {
		const page = await browser.open(server.url)
		await page.locator('[aria-label="Max tokens"]').fill('20')
		await write(page, 'She *had*\nalways')
		const text = (await textOf(page)) ?? ''
		const save = async (entry: string) => {
			await page.locator('#write-bar summary').click()
			const [download] = await Promise.all([
				page.waitForEvent('download'),
				page.locator('#write-bar .menu-list button', { hasText: entry }).click(),
			])
			return download
		}
		const plain = await save('Save as text')
		expect(plain.suggestedFilename()).toEndWith('.txt')
		expect(await Bun.file(await plain.path()).text()).toBe(text)
		const markdown = await save('Save as Markdown')
		expect(await Bun.file(await markdown.path()).text()).toStartWith('She \\*had\\*  \nalways')
		const json = await save('Save as JSON')
		const path = await json.path()
		expect((await Bun.file(path).json()).parts.length).toBe(21)
		await page.click('[aria-label="New text"]')
		await expectText(page, '')
		await page.locator('#write-bar summary').click()
		const [chooser] = await Promise.all([
			page.waitForEvent('filechooser'),
			page.locator('#write-bar .menu-list button', { hasText: 'Open a file' }).click(),
		])
		await chooser.setFiles({
			name: 'x.json',
			mimeType: 'application/json',
			buffer: await Bun.file(path).bytes().then(Buffer.from),
		})
		await expectText(page, text)
		expect(await page.locator('.token').count()).toBe(20)
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})
})
