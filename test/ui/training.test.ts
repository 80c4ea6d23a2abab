/** The Training view in a real browser, with trainings that report while it is open. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { type Browser, chromium, type Page } from 'playwright-core'
import { type AlphaServer, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { chromiumNote, chromiumPath } from '../helpers/chromium.ts'
import { readRecording, sendRecorded } from '../helpers/trainer-recording.ts'

setDefaultTimeout(60_000)

describe.skipIf(chromiumPath === null)(`the Training view in Chromium${chromiumNote}`, () => {
	let browser: Browser
	let server: AlphaServer
	const complaints: string[] = []
	const requests: string[] = []

	beforeAll(async () => {
		server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
		browser = await chromium.launch({ executablePath: chromiumPath ?? '', args: ['--no-sandbox'] })
	})
	afterAll(async () => {
		await browser?.close()
		await server?.stop()
	})

	async function open(path: string): Promise<Page> {
		const page = await browser.newPage()
		complaints.length = 0
		requests.length = 0
		page.on('pageerror', (error) => complaints.push(error.message))
		page.on('console', (message) => {
			if (message.type() === 'error') complaints.push(message.text())
		})
		page.on('request', (request) => requests.push(new URL(request.url()).pathname))
		await page.goto(`${server.url}/#${path}`)
		await page.locator('.live[data-live="true"]').waitFor()
		return page
	}

	async function report(body: object, path = '/api/ingest'): Promise<void> {
		const headers = { authorization: `Bearer ${uploadSecret}` }
		const answer = await fetch(`${server.url}${path}`, {
			method: 'POST',
			headers,
			body: JSON.stringify(body),
		})
		expect(answer.status).toBe(200)
	}

	const points = (from: number, to: number) =>
		Array.from({ length: to - from + 1 }, (_, i) => {
			const step = from + i
			const valLoss = step % 10 === 0 ? { valLoss: 4 + 20 / (step + 5) } : {}
			return {
				step,
				loss: 4 + 19 / (step + 4),
				lr: 0.001,
				gradNorm: 1,
				tokens_per_sec: 900,
				ms_per_iter: 250,
				expert_load: step % 7,
				...valLoss,
			}
		})

	/** Text of a row of the list. */
	const row = (page: Page, name: string) => page.locator('.run-row', { hasText: name })

	test('is there whatever stands behind its address', async () => {
		const page = await open('/training/%')
		await page.locator('text=There is no run %').first().waitFor()
		await page.close()
	})

	test('says how to begin when nobody trains', async () => {
		const page = await open('/training')
		await page.locator('text=No training yet').waitFor()
		expect(await page.locator('.run-empty pre').textContent()).toContain(
			`ALPHA_REMOTE_URL=${server.url}`,
		)
		expect(complaints).toEqual([])
		await page.close()
	})

	test('shows a training that begins while the page is open, and follows it', async () => {
		const page = await open('/training')
		await report({
			type: 'run_start',
			runId: 'war & peace',
			domain: 'novels',
			trainConfig: { iters: 100 },
			modelConfig: { nEmbd: 48 },
			infra: { hostname: 'shed', gpuName: 'L4' },
		})
		await row(page, 'war & peace').waitFor()
		expect(await row(page, 'war & peace').locator('.state').textContent()).toBe('training')
		await report({ type: 'metrics', runId: 'war & peace', metrics: points(1, 20) })
		await row(page, '20 of 100').waitFor()
		const text = (await row(page, 'war & peace').textContent()) ?? ''
		expect(text).toContain('novels · shed · L4')
		expect(text).toContain('20 s left')
		expect(text).toContain('4.8000')
		expect(complaints).toEqual([])
		await page.close()
	})

	test('has a page for each run, whose charts grow', async () => {
		const page = await open('/training')
		await row(page, 'war & peace').locator('a').click()
		await page.locator('.step-chart canvas').first().waitFor()
		const titles = await page
			.locator('.step-chart:visible')
			.evaluateAll((charts) => charts.map((chart) => chart.getAttribute('data-chart')))
		expect(titles).toEqual([
			'Loss',
			'Perplexity',
			'Learning rate',
			'Gradient norm',
			'Tokens per second',
			'Step time, ms',
			'expert load',
		])
		const legend = page.locator('[data-chart="Loss"] .legend')
		await page.locator('[data-chart="Loss"] .legend', { hasText: 'validation 4.8' }).waitFor()
		const before = await legend.textContent()
		requests.length = 0
		for (let step = 21; step <= 60; step += 10) {
			await report({ type: 'metrics', runId: 'war & peace', metrics: points(step, step + 9) })
		}
		await page.locator('text=60 of 100').waitFor()
		await page.waitForFunction(
			(text) => document.querySelector('[data-chart="Loss"] .legend')?.textContent !== text,
			before,
		)
		// What is new came by the one stream.
		expect(
			requests.filter((path) => path.startsWith('/api/runs') || path.startsWith('/api/training')),
		).toEqual([])
		expect(complaints).toEqual([])
		await page.close()
	})

	test('opens a run by a click anywhere on its row, however much is reported meanwhile', async () => {
		const page = await open('/training')
		await row(page, 'war & peace').waitFor()
		const box = await row(page, 'war & peace').locator('.figure').first().boundingBox()
		await page.mouse.move((box?.x ?? 0) + 5, (box?.y ?? 0) + 5)
		await page.mouse.down()
		await report({ type: 'metrics', runId: 'war & peace', metrics: points(61, 62) })
		await row(page, '62 of 100').waitFor()
		await page.mouse.up()
		await page.locator('.run-head h2', { hasText: 'war & peace' }).waitFor()
		expect(complaints).toEqual([])
		await page.close()
	})

	test('shows events and samples as they come, and what the trainer fears', async () => {
		const page = await open('/training')
		await row(page, 'war & peace').locator('a').click()
		const event = (level: string, message: string) => ({
			type: 'event',
			runId: 'war & peace',
			event: { step: 60, level, kind: 'eval_summary', message },
		})
		await report(event('info', 'val_loss=4.3'))
		await report(event('debug', 'a detail'))
		await report(event('error', '<b>not a number</b>'))
		await page.locator('.run-log li[data-level="error"]').waitFor()
		expect(await page.locator('.run-log').textContent()).toContain('<b>not a number</b>')
		expect(await page.locator('.run-log').textContent()).not.toContain('a detail')
		await page.selectOption('.run-page select', 'debug')
		expect(await page.locator('.run-log').textContent()).toContain('a detail')
		const samples = (step: number, output: string) => ({
			type: 'samples',
			runId: 'war & peace',
			step,
			samples: [{ prompt: 'The ', output: `The ${output}` }],
			trend: { plateauLikely: true, summary: 'flat' },
		})
		await report(samples(20, 'first words'))
		await report(samples(40, 'later words'))
		await page.locator('.run-samples td', { hasText: 'later words' }).waitFor()
		expect(await page.locator('.run-samples thead th').allTextContents()).toEqual([
			'Prompt',
			'step 40',
			'step 20',
		])
		expect(await page.locator('.note').textContent()).toContain('plateau')
		expect(complaints).toEqual([])
		await page.close()
	})

	test('compares runs', async () => {
		for (const runId of ['a', 'b']) await report({ type: 'metrics', runId, metrics: points(1, 30) })
		const page = await open('/training')
		for (const name of ['a', 'b']) await page.locator(`.run-row[data-run="${name}"] input`).check()
		const chart = page.locator('[data-chart="Loss of the chosen runs"]')
		await chart.locator('canvas').waitFor()
		await chart.locator('.legend', { hasText: 'b, validation' }).waitFor()
		expect(complaints).toEqual([])
		await page.close()
	})

	test('offers a checkpoint as soon as it has arrived, to be talked to', async () => {
		const recording = readRecording('bpe-120-steps')
		const uploadAt = recording.findIndex(({ path }) => path === '/api/upload/chunk')
		for (const request of recording.slice(0, uploadAt)) await sendRecorded(server.url, request)
		const page = await open('/training/austen-echo')
		expect(await page.locator('.run-head .state').textContent()).toBe('training')
		for (const request of recording.slice(uploadAt)) await sendRecorded(server.url, request)
		await page.locator('.run-head .state', { hasText: 'completed' }).waitFor()
		await page.locator('.run-checkpoints button').click()
		await page.locator('#view-chat').waitFor()
		expect(await page.inputValue('#model')).toBe('austen-echo')
		await page.fill('#message', 'Emma')
		await page.click('#send')
		await page.locator('.messages .assistant').waitFor()
		await page.goto(`${server.url}/#/training/austen-echo`)
		await page.locator('summary', { hasText: 'Training text' }).click()
		await page
			.locator('.run-card pre', { hasText: 'Chapter' })
			.or(page.locator('.run-card pre'))
			.first()
			.waitFor()
		expect(((await page.locator('.run-card pre').textContent()) ?? '').length).toBeGreaterThan(1000)
		expect(complaints).toEqual([])
		await page.close()
	})

	test('shows that a training goes on that had ended', async () => {
		const page = await open('/training')
		await report({ type: 'metrics', runId: 'resumed', metrics: points(1, 2) })
		await report({ runId: 'resumed', finalStep: 2 }, '/api/ingest/complete')
		await row(page, 'resumed').locator('.state', { hasText: 'completed' }).waitFor()
		await report({ type: 'metrics', runId: 'resumed', metrics: points(3, 4) })
		await row(page, 'resumed').locator('.state', { hasText: 'training' }).waitFor()
		await row(page, 'step 4').waitFor()
		expect(complaints).toEqual([])
		await page.close()
	})

	test('finds its way back when the server was away', async () => {
		const page = await open('/training')
		await page.route('**/api/training/live', (route) => route.abort())
		await page.reload()
		await page.locator('.live[data-live="false"]').waitFor()
		await page.unroute('**/api/training/live')
		await page.locator('.live[data-live="true"]').waitFor()
		await row(page, 'war & peace').waitFor()
		await page.close()
	})
})
