/** Makes the pictures of the README: `bun test/ui/screenshots.ts`. Needs `bun run build` and Chromium. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { startAlpha } from '../helpers/alpha-server.ts'
import { PageBrowser, write } from '../helpers/web-page.ts'

const directory = join(import.meta.dir, '../../src/ui/screenshots')
const desk = { width: 1200, height: 760 }
const phone = { width: 390, height: 780 }

mkdirSync(directory, { recursive: true })
await using server = await startAlpha({ runs: ['v2-bpe-chat', 'v1-word', 'v2-composed', 'v1-bpe'] })
const browser = await PageBrowser.launch()

async function open(colorScheme: 'light' | 'dark', viewport = desk): Promise<Page> {
	const hasTouch = viewport === phone
	const page = await browser.blank({ colorScheme, viewport, hasTouch })
	await page.addInitScript(() => {
		localStorage.setItem('alpha.parameters', JSON.stringify({ seed: '7' }))
	})
	await browser.openIn(page, server.url)
	await page.selectOption('#model', 'novels-austen')
	return page
}

/** WebP by the browser's own hand: a quarter of the PNG. */
async function take(page: Page, name: string): Promise<void> {
	const png = await page.screenshot()
	const artist = await browser.blank()
	const webp = await artist.evaluate(async (data) => {
		const image = new Image()
		image.src = `data:image/png;base64,${data}`
		await image.decode()
		const canvas = document.createElement('canvas')
		canvas.width = image.width
		canvas.height = image.height
		canvas.getContext('2d')?.drawImage(image, 0, 0)
		return canvas.toDataURL('image/webp', 0.86).split(',')[1] ?? ''
	}, png.toString('base64'))
	await Bun.write(join(directory, `${name}.webp`), Buffer.from(webp, 'base64'))
	await artist.context().close()
}

async function writeWithHeat(page: Page): Promise<void> {
	await page.locator('#heat').check()
	await write(page, 'She had always ')
	await page.locator('#window', { hasText: 'of 256 tokens' }).waitFor()
}

const light = await open('light')
await writeWithHeat(light)
await light.locator('.token').nth(12).click()
await take(light, 'write')
await light.keyboard.press('Escape')
await light.click('#variants')
await light.locator('.column button:enabled').nth(2).waitFor()
await take(light, 'side-by-side')

const dark = await open('dark')
await dark.goto(`${server.url}/#/model`)
await dark.locator('.model-row[data-model="novels-austen"]').click()
await dark.locator('.scalar-chart canvas').waitFor()
await dark.locator('.spark path').nth(4).waitFor({ state: 'attached' })
await dark.locator('#smoothing').fill('0.6')
await take(dark, 'models')

const hand = await open('light', phone)
await writeWithHeat(hand)
await take(hand, 'phone')

const talk = await open('dark', phone)
await talk.selectOption('#model', 'v2-bpe-chat')
await talk.goto(`${server.url}/#/chat`)
for (const [i, text] of ['hello', 'what is your name?', 'tell me a story'].entries()) {
	await talk.fill('#message', text)
	await talk.click('#send')
	await talk.locator('.message.assistant').nth(i).waitFor()
	await talk.locator('#send').waitFor()
}
await take(talk, 'chat')
await browser.close()
