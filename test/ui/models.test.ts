/** The Models view: the list, the card with its chart, and runs that are sent from the page. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import {
	appendFileSync,
	cpSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { type AlphaServer, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { PageBrowser } from '../helpers/web-page.ts'

setDefaultTimeout(60_000)

const fixtures = join(import.meta.dir, '../fixtures')

describe.skipIf(chromiumPath === null)(`the Models view in Chromium${chromiumNote}`, () => {
	let browser: PageBrowser
	let server: AlphaServer

	beforeAll(async () => {
		server = await startAlpha({ runs: ['v1-bpe', 'v2-composed', 'v1-word'] })
		browser = await PageBrowser.launch()
	})
	afterAll(async () => {
		await browser?.close()
		await server?.stop()
	})

	async function open(): Promise<Page> {
		const page = await browser.open(`${server.url}/#/model`)
		await page.locator('.model-row').first().waitFor()
		return page
	}

	const row = (page: Page, id: string) => page.locator(`.model-row[data-model="${id}"]`)
	const names = (page: Page) => page.locator('.model-row b').allTextContents()

	test('lists all models with loss, size, state and the course of the loss', async () => {
		const page = await open()
		await row(page, 'v1-bpe').locator('.spark path').waitFor({ state: 'attached' })
		const text = (await row(page, 'v1-bpe').textContent()) ?? ''
		expect(text).toMatch(/^v1-bpe(on disk|in memory)39\.2K · step 450 · .+3\.2642$/)
		expect(await page.locator('.model-rows .domain').allTextContents()).toContain('novels')
		await page.fill('[aria-label="Search models"]', 'COMPOSED')
		expect(await names(page)).toEqual(['v2-composed'])
		await page.fill('[aria-label="Search models"]', '')
		await page.locator('.model-list .switch input').uncheck()
		await page.selectOption('[aria-label="Order"]', 'loss')
		const losses = (await page.locator('.model-row .loss').allTextContents()).map(Number)
		expect(losses).toEqual(losses.toSorted((a, b) => a - b))
		expect(losses.length).toBe(4)
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('draws the course of a loss also where a row was made anew meanwhile', async () => {
		const page = await browser.blank()
		const { promise: isDrawn, resolve: draw } = Promise.withResolvers<void>()
		await page.route('**/api/models/*?points=48', async (route) => {
			await isDrawn
			await route.continue()
		})
		const asked = page.waitForRequest('**/api/models/v1-word?points=48')
		await browser.openIn(page, `${server.url}/#/model`)
		await asked
		await row(page, 'v1-word').click()
		draw()
		await row(page, 'v1-word').locator('.spark path').waitFor({ state: 'attached' })
		expect(await page.locator('.model-card .state').textContent()).toBe(
			await row(page, 'v1-word').locator('.state').textContent(),
		)
		await page.context().close()
	})

	test('has everything inside its frame on the narrowest phone', async () => {
		const viewport = { width: 320, height: 640 }
		const page = await browser.open(`${server.url}/#/model`, { viewport })
		await page.locator('.model-card .actions button').nth(3).waitFor()
		const beyond = await page.evaluate(() => {
			const frame = document.querySelector('.model-card')!.getBoundingClientRect()
			const inside = [...document.querySelectorAll('.model-card button, .model-card select')]
			return inside.filter((each) => each.getBoundingClientRect().right > frame.right).length
		})
		expect(beyond).toBe(0)
		await page.context().close()
	})

	test('keeps the longest names of runs inside its frame', async () => {
		await using other = await startAlpha({ runs: ['v1-bpe', 'v1-word'] })
		const name = 'a-run-of-many-words-'.repeat(6)
		cpSync(join(other.checkpoints, 'v1-word'), join(other.checkpoints, name), { recursive: true })
		const viewport = { width: 320, height: 640 }
		const page = await browser.open(`${other.url}/#/model`, { viewport })
		await row(page, name).filter({ hasText: 'on disk' }).waitFor()
		await row(page, 'v1-word').click()
		await page.locator('[aria-label="Lay another run over it"]').selectOption(name)
		await page.locator('.overlays button', { hasText: name }).waitFor()
		expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320)
		await page.context().close()
	})

	test('does not say that it writes a model before the secret is given', async () => {
		const page = await open()
		await row(page, 'v1-bpe').click()
		const header = page.locator('.model-card header', { hasText: 'v1-bpe' })
		await header.getByRole('button', { name: 'Export' }).click()
		await page.locator('dialog.ask button', { hasText: 'Cancel' }).click()
		await page.locator('dialog.ask').waitFor({ state: 'detached' })
		expect(await page.locator('#notice').isHidden()).toBe(true)
		await page.context().close()
	})

	test('shows the chosen checkpoint with its own loss, and what a composed run became', async () => {
		const page = await open()
		await row(page, 'v2-composed').click()
		const facts = page.locator('.model-card dl')
		await facts.filter({ hasText: 'Step240' }).waitFor()
		expect(await facts.textContent()).toContain('Activationcomposed')
		expect(await facts.textContent()).toContain('Loss3.8088')
		await page.locator('.steps button', { hasText: '120' }).click()
		await facts.filter({ hasText: 'Step120' }).waitFor()
		expect(await facts.textContent()).toContain('Loss3.9835')
		expect(await page.inputValue('#step')).toBe('120')
		await page.context().close()
	})

	test('draws any number of the log, smoothed, on a logarithmic axis and in part', async () => {
		const page = await open()
		await row(page, 'v2-composed').click()
		const chart = page.locator('.scalar-chart .plot')
		const isLabelled = (start: string) =>
			page.locator(`.scalar-chart .plot[aria-label^="${start}"]`).waitFor()
		await page.locator('.scalar-chart canvas').waitFor()
		await isLabelled('Loss from step 1 to 240')
		const pixels = () =>
			page.evaluate(() =>
				document.querySelector<HTMLCanvasElement>('.scalar-chart canvas')?.toDataURL(),
			)
		let before = await pixels()
		const changed = async () => {
			await page.waitForFunction(
				(old) =>
					document.querySelector<HTMLCanvasElement>('.scalar-chart canvas')?.toDataURL() !== old,
				before,
			)
			before = await pixels()
		}
		await page.locator('#smoothing').fill('0.9')
		await changed()
		await page.locator('.chart-panel .switch', { hasText: 'Log' }).click()
		await changed()
		await page.getByRole('button', { name: 'Zoom in' }).click()
		await changed()
		await chart.focus()
		await page.keyboard.press('ArrowRight')
		await changed()
		await page.keyboard.press('0')
		await changed()
		await page.selectOption('[aria-label="What is drawn"]', 'gradNorm')
		await changed()
		await isLabelled('Gradient norm from step')
		await page.selectOption('[aria-label="Lay another run over it"]', 'v1-bpe')
		await page.locator('.scalar-chart figcaption', { hasText: 'v1-bpe' }).waitFor()
		expect(browser.complaints).toEqual([])
		await page.context().close()
	})

	test('chooses a checkpoint by its mark in the chart', async () => {
		const page = await open()
		await row(page, 'v2-composed').click()
		await page.locator('.model-card dl', { hasText: 'Step240' }).waitFor()
		const over = page.locator('.scalar-chart .u-over')
		const { width = 0 } = (await over.boundingBox()) ?? {}
		await over.click({ position: { x: (width * 119) / 239, y: 30 } })
		await page.locator('.model-card dl', { hasText: 'Step120' }).waitFor()
		await page.context().close()
	})

	test('follows a log that grows, and draws a restart as a part of its own', async () => {
		const run = join(server.checkpoints, 'restarted')
		cpSync(join(fixtures, 'v1-bpe'), run, { recursive: true })
		const log = join(run, 'metrics.jsonl')
		const lines = (from: number, to: number, loss: number) => {
			const steps = Array.from({ length: to - from + 1 }, (_, i) => from + i)
			return steps.map((step) => `${JSON.stringify({ step, loss: loss - step / 20 })}\n`).join('')
		}
		writeFileSync(log, lines(1, 20, 9))
		const page = await open()
		await row(page, 'restarted').click()
		await page.locator('.scalar-chart .plot[aria-label^="Loss from step 1 to 20."]').waitFor()
		appendFileSync(log, lines(11, 40, 5))
		await page.locator('.scalar-chart .plot[aria-label^="Loss from step 1 to 40."]').waitFor()
		await page.locator('.scalar-chart .u-over').hover({ position: { x: 150, y: 100 } })
		await page.locator('.scalar-chart figcaption', { hasText: 'before restart 1' }).waitFor()
		rmSync(run, { recursive: true })
		await row(page, 'restarted').waitFor({ state: 'detached' })
		await page.locator('#notice', { hasText: 'restarted is no longer served' }).waitFor()
		await page.context().close()
	})

	test('tells why a run cannot be served', async () => {
		const run = join(server.checkpoints, 'half')
		mkdirSync(run)
		writeFileSync(join(run, 'config.json'), '{}')
		const page = await open()
		await row(page, 'half').filter({ hasText: 'arriving' }).waitFor()
		expect(await row(page, 'half').textContent()).toContain('no checkpoint has arrived')
		rmSync(run, { recursive: true })
		await row(page, 'half').waitFor({ state: 'detached' })
		await page.context().close()
	})

	test('loads and unloads with the secret, which is asked for once', async () => {
		const page = await open()
		await row(page, 'v1-word').click()
		const button = (name: string) =>
			page.locator('.model-card header').getByRole('button', { name, exact: true })
		await button('Load').click()
		await page.fill('#secret', 'wrong')
		await page.keyboard.press('Enter')
		await page.locator('dialog .error', { hasText: 'does not take this secret' }).waitFor()
		await page.fill('#secret', uploadSecret)
		await page.keyboard.press('Enter')
		await button('Unload').waitFor()
		await row(page, 'v1-word').filter({ hasText: 'in memory' }).waitFor()
		await button('Unload').click()
		await button('Load').waitFor()
		await row(page, 'v1-word').filter({ hasText: 'on disk' }).waitFor()
		await page.context().close()
	})

	test('keeps a model as a file for other tools', async () => {
		const page = await open()
		await row(page, 'v1-word').click()
		const download = page.waitForEvent('download')
		await page.locator('.model-card header').getByRole('button', { name: 'Export' }).click()
		await page.fill('#secret', uploadSecret)
		await page.keyboard.press('Enter')
		const file = await download
		expect(file.suggestedFilename()).toBe('v1-word.tar')
		const bytes = readFileSync(await file.path())
		expect(bytes.subarray(257, 262).toString()).toBe('ustar')
		await page.context().close()
	})

	test('sends a dropped directory, and tells the reason of a refusal', async () => {
		const page = await open()
		const files = filesOf('v1-char', ['config.json', 'metrics.jsonl', 'checkpoint-300.json'])
		await drop(page, 'sent', files)
		await page.fill('#secret', uploadSecret)
		await page.keyboard.press('Enter')
		await page.locator('.upload .done', { hasText: 'sent, step 300: is served' }).waitFor()
		await row(page, 'sent').waitFor()
		await drop(page, 'bad', { ...files, 'checkpoint-300.json': Buffer.from('{"step":300}') })
		await page.locator('.upload .failed', { hasText: 'bad, step 300:' }).waitFor()
		await drop(page, 'empty', { 'notes.txt': Buffer.from('nothing') })
		await page.locator('.upload .failed', { hasText: 'Expected config.json' }).waitFor()
		await page.context().close()
	})

	test('sends models of other tools: safetensors in several files, a GGUF file, llama2.c', async () => {
		const page = await open()
		const notes = { 'README.md': Buffer.from('of somebody'), 'optimizer.bin': Buffer.from('x') }
		await drop(page, 'my gpt2', { ...filesOf('families/gpt2-sharded'), ...notes })
		await page.fill('#secret', uploadSecret)
		await page.keyboard.press('Enter')
		await page.locator('.upload .done', { hasText: 'my-gpt2, step 0: is served' }).waitFor()
		await row(page, 'my-gpt2').waitFor()
		const gguf = filesOf('families/gguf-gpt2-q8_0')
		await drop(page, null, { 'small.gguf': Object.values(gguf)[0]! })
		await page.locator('.upload .done', { hasText: 'small, step 0: is served' }).waitFor()
		await drop(page, 'llama', filesOf('families/llama2c-v2-q80'))
		await page.locator('.upload .done', { hasText: 'llama, step 0: is served' }).waitFor()
		await page.context().close()
	})
})

/** Files of a fixture by name: these, or all but what was recorded about it. */
function filesOf(fixture: string, names?: readonly string[]): Record<string, Buffer> {
	const directory = join(fixtures, fixture)
	const chosen = names ?? readdirSync(directory).filter((name) => name !== 'expected.json')
	return Object.fromEntries(chosen.map((name) => [name, readFileSync(join(directory, name))]))
}

/** Drops files onto the page as a file manager would, within a directory or one by one. */
function drop(page: Page, directory: string | null, files: Record<string, Buffer>): Promise<void> {
	const dropped = {
		directory,
		files: Object.entries(files).map(([name, bytes]) => [name, bytes.toString('base64')] as const),
	}
	return page.evaluate(({ directory, files }) => {
		const entries = files.map(([name, base64]) => ({
			isFile: true,
			fullPath: directory === null ? `/${name}` : `/${directory}/${name}`,
			file: (resolve: (file: File) => void) => {
				const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
				resolve(new File([bytes], name))
			},
		}))
		let unread: unknown[] = entries
		const entry = {
			isFile: false,
			fullPath: `/${directory}`,
			createReader: () => ({
				readEntries(resolve: (entries: unknown[]) => void) {
					resolve(unread)
					unread = []
				},
			}),
		}
		const event = new Event('drop', { bubbles: true, cancelable: true })
		const items = (directory === null ? entries : [entry]).map((each) => ({
			webkitGetAsEntry: () => each,
		}))
		Object.defineProperty(event, 'dataTransfer', { value: { types: ['Files'], items } })
		document.body.dispatchEvent(event)
	}, dropped)
}
