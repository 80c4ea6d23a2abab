/** Swagger UI of the compiled server in a real Chromium, behind a proxy that has put it under a prefix. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { type Browser, chromium, type Locator, type Page } from 'playwright-core'
import { type AlphaServer, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { tinyCheckpoint, toBinaryForm } from '../helpers/tiny-checkpoint.ts'

// A browser on a busy machine takes its time.
setDefaultTimeout(60_000)

const PREFIX = '/some/prefix'

describe.skipIf(chromiumPath === null)(`Swagger UI in Chromium${chromiumNote}`, () => {
	let server: AlphaServer
	let proxy: Bun.Server<undefined>
	let browser: Browser

	beforeAll(async () => {
		server = await startAlpha()
		proxy = Bun.serve({
			port: 0,
			fetch(request) {
				const { pathname, search } = new URL(request.url)
				if (!pathname.startsWith(`${PREFIX}/`)) return new Response(null, { status: 404 })
				return fetch(`${server.url}${pathname.slice(PREFIX.length)}${search}`, {
					method: request.method,
					headers: request.headers,
					body: request.body,
					decompress: false,
				})
			},
		})
		browser = await chromium.launch({
			executablePath: chromiumPath ?? '',
			// Chromium's own sandbox refuses to start as root.
			args: ['--no-sandbox'],
		})
	})

	afterAll(async () => {
		await browser?.close()
		await proxy?.stop(true)
		await server?.stop()
	})

	async function open(path = '/swagger') {
		const page = await browser.newPage()
		const faults: string[] = []
		// No other host is in reach.
		await page.route(
			({ port, protocol }) => port !== String(proxy.port) && protocol.startsWith('http'),
			(route) => route.abort(),
		)
		page.on('requestfailed', (request) => faults.push(`failed: ${request.url()}`))
		page.on('pageerror', (error) => faults.push(String(error)))
		page.on('console', (message) => {
			if (message.type() === 'error') faults.push(message.text())
		})
		await page.goto(`http://localhost:${proxy.port}${PREFIX}${path}`)
		await page.waitForSelector('.opblock')
		return { page, faults }
	}

	/** Opens an operation to be tried. */
	async function tryOut(page: Page, id: string): Promise<Locator> {
		const block = page.locator(`.opblock[id$="-${id}"]`)
		await block.locator('.opblock-summary-control').click()
		await block.locator('.try-out__btn').click()
		return block
	}

	/** Sends it and waits until its answer is shown, with a text in it. */
	async function execute(block: Locator, text: string): Promise<void> {
		await block.locator('.execute').click()
		await block.locator('.live-responses-table', { hasText: text }).waitFor()
	}

	async function authorize(page: Page): Promise<void> {
		await page.locator('.auth-wrapper .authorize').first().click()
		const form = page.locator('.auth-container', { hasText: 'uploadSecret' })
		await form.locator('input').fill(uploadSecret)
		await form.locator('button.authorize').click()
		await page.locator('.modal-ux .btn-done').first().click()
	}

	for (const path of ['/swagger', '/swagger/']) {
		test(`at ${path} shows every operation and leads back to the models`, async () => {
			const document = await (await fetch(`${server.url}/swagger/json`)).json()
			const operations = Object.values<object>(document.paths).flatMap((each) => Object.keys(each))
			const { page, faults } = await open(path)
			await page
				.locator('.opblock')
				.nth(operations.length - 1)
				.waitFor()
			expect(await page.locator('.opblock').count()).toBe(operations.length)
			expect(faults).toEqual([])
			await page.locator('header a', { hasText: 'Alpha' }).click()
			await page.waitForURL(`**${PREFIX}/`)
			await page.close()
		})
	}

	test('is dark where the system or the page of the models is', async () => {
		const isShown = (page: Page, color: string) =>
			page.waitForFunction(
				(wanted) => getComputedStyle(document.body).backgroundColor === wanted,
				color,
			)
		const page = await browser.newPage({ colorScheme: 'light' })
		await page.goto(`http://localhost:${proxy.port}${PREFIX}/swagger`)
		await isShown(page, 'rgb(255, 255, 255)')
		await page.emulateMedia({ colorScheme: 'dark' })
		await isShown(page, 'rgb(28, 32, 34)')
		await page.evaluate(() => localStorage.setItem('alpha.theme', '"light"'))
		await page.reload()
		await isShown(page, 'rgb(255, 255, 255)')
		await page.close()
	})

	test('is no wider than a phone, with an operation opened', async () => {
		const { page } = await open('/swagger')
		await page.setViewportSize({ width: 390, height: 800 })
		const block = page.locator('.opblock').first()
		await block.locator('.opblock-summary-control').click()
		await block.locator('.responses-table').waitFor()
		const beyond = await page.evaluate(
			() => document.documentElement.scrollWidth - document.documentElement.clientWidth,
		)
		expect(beyond).toBe(0)
		await page.close()
	})

	test('tries a chat, and texts that are streamed', async () => {
		const { page, faults } = await open()
		const block = await tryOut(page, 'createChatCompletion')
		await execute(block, '"object": "chat.completion"')
		const body = {
			model: 'v2-bpe-chat',
			messages: [{ role: 'user', content: 'What is your name?' }],
			temperature: 0,
			stream: true,
		}
		await block.locator('textarea.body-param__text').fill(JSON.stringify(body))
		await execute(block, 'data: [DONE]')
		const withParameters = await tryOut(page, 'streamText')
		await withParameters.locator('tr[data-param-name=steps] input').fill('3')
		await execute(withParameters, 'data: [DONE]')
		expect(faults).toEqual([])
		await page.close()
	})

	test('uploads the example, which can be asked then, and a file', async () => {
		using directory = tempDir()
		const path = join(directory.path, 'piece.bin')
		await Bun.write(path, new Uint8Array(toBinaryForm(tinyCheckpoint())))
		const { page } = await open()
		await authorize(page)
		const block = await tryOut(page, 'upload')
		await execute(block, '"name": "my-run"')
		const answer = await fetch(`${server.url}/api/generate?model=my-run&prompt=a&max_tokens=2`)
		expect(answer.status).toBe(200)
		const piece = await tryOut(page, 'uploadPiece')
		await piece.locator('input[type=file]').setInputFiles(path)
		await execute(piece, '"received": 1')
		await page.close()
	})
})
