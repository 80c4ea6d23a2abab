/** The page by the rules of axe, in both themes and three sizes; forced colours; where the focus is. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import type { Page } from 'playwright-core'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { PageBrowser, rested, write } from '../helpers/web-page.ts'

setDefaultTimeout(60_000)

const axePath = Bun.resolveSync('axe-core/axe.min.js', import.meta.dir)

/** What axe says of an element. */
interface Finding {
	readonly rule: string
	readonly where: string
	readonly why: string
}

describe.skipIf(chromiumPath === null)(`accessibility of the page${chromiumNote}`, () => {
	let browser: PageBrowser
	let server: AlphaServer

	beforeAll(async () => {
		server = await startAlpha({ runs: ['v2-composed', 'v1-bpe'] })
		browser = await PageBrowser.launch()
	})
	afterAll(async () => {
		await browser?.close()
		await server?.stop()
	})

	async function findings(page: Page): Promise<Finding[]> {
		return page.evaluate(async () => {
			const { axe } = window as unknown as {
				axe: {
					run(): Promise<{
						violations: { id: string; nodes: { target: string[]; failureSummary: string }[] }[]
					}>
				}
			}
			const { violations } = await axe.run()
			return violations.flatMap(({ id, nodes }) =>
				nodes.map(({ target, failureSummary }) => ({
					rule: id,
					where: target.join(' '),
					why: failureSummary,
				})),
			)
		})
	}

	const sizes = [
		[1440, 900],
		[390, 844],
		[320, 700],
	] as const
	const cases = sizes.flatMap(([width, height]) =>
		(['light', 'dark'] as const).map((scheme) => [width, height, scheme] as const),
	)

	test.each(cases)(
		'axe finds nothing at %i × %i pixels, %s',
		async (width, height, colorScheme) => {
			const page = await browser.blank({ viewport: { width, height }, colorScheme })
			await page.addInitScript({ path: axePath })
			await browser.openIn(page, server.url)
			await page.selectOption('#model', 'novels-austen')
			expect(await findings(page)).toEqual([])
			await page.locator('#heat').check()
			await write(page, 'She had always been in love. '.repeat(40))
			await page.locator('.window-start').waitFor({ state: 'attached' })
			expect(await findings(page)).toEqual([])
			await page.click('#write-bar [aria-label="Texts"]')
			await page.locator('dialog[open] li').first().waitFor()
			expect(await findings(page)).toEqual([])
			await page.keyboard.press('Escape')
			await page.goto(`${server.url}/#/chat`)
			await page.fill('#message', 'Good morning.')
			await page.click('#send')
			await page.locator('.message.assistant').waitFor()
			await page.locator('#send').waitFor()
			expect(await findings(page)).toEqual([])
			await page.goto(`${server.url}/#/model`)
			await page.locator('.model-row').first().click()
			await page.locator('.scalar-chart canvas').waitFor()
			expect(await findings(page)).toEqual([])
			await page.goto(`${server.url}/#/training`)
			await page.locator('.live[data-live="true"]').waitFor()
			expect(await findings(page)).toEqual([])
			expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
				width,
			)
			await page.context().close()
		},
	)

	test('keeps the heat map readable in forced colours', async () => {
		const page = await browser.blank({ forcedColors: 'active' })
		await browser.openIn(page, server.url)
		await page.selectOption('#model', 'novels-austen')
		await page.locator('#heat').check()
		await write(page, 'She had always')
		const thicknesses = await page.evaluate(() =>
			[...document.querySelectorAll('#output .token')].map(
				(token) => getComputedStyle(token).textDecorationThickness,
			),
		)
		expect(new Set(thicknesses).size).toBeGreaterThan(3)
		await page.context().close()
	})

	test('never loses the focus when what had it goes away', async () => {
		const page = await browser.open(server.url)
		await page.selectOption('#model', 'novels-austen')
		const focused = () => page.evaluate(() => document.activeElement?.tagName)
		await page.fill('#prompt', 'She had always')
		await page.focus('#continue')
		await page.keyboard.press('Enter')
		await page.locator('.token').first().waitFor({ state: 'attached' })
		expect(await focused()).not.toBe('BODY')
		await rested(page)
		expect(await focused()).not.toBe('BODY')
		await page.focus('#edit')
		await page.keyboard.press('Enter')
		expect(await focused()).toBe('TEXTAREA')
		await page.click('#write-bar [aria-label^="Undo"]')
		await page.click('#write-bar [aria-label^="Undo"]')
		expect(await focused()).not.toBe('BODY')
		await page.context().close()
	})
})
