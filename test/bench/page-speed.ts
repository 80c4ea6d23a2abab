/** How fast the page shows a stream, beside the same stream read without showing anything, in Chromium. */
import { chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../helpers/chromium.ts'
import { type Bench, runsDirectory } from './bench-context.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'

/** Tokens of one continuation, and how many follow each other; as many more are written and undone at the end. */
const TOKENS = 2048
const CONTINUATIONS = 10

/** Of those that follow each other, the first in which the browser and the server still compile. */
const WARMUPS = 2

/** What the page stores and counts once a text rests is over after so long. */
const REST_MS = 1500

/** One continuation: how long reading took, and the frame that took longest meanwhile, milliseconds. */
interface Reading {
	readonly ms: number
	readonly frameMs: number
}

/** Two readings that follow each other: what slows the machine meanwhile slows both. */
interface Pair {
	readonly shown: Reading
	readonly raw: Reading
}

export async function measurePage(bench: Bench): Promise<void> {
	if (chromiumPath === null) return bench.report.note('no chromium (Debian: apt install chromium)')
	await using server = await startServer(bench, runsDirectory(bench))
	const browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] })
	try {
		const page = await browser.newPage()
		await page.addInitScript(watchPage)
		await page.goto(`http://127.0.0.1:${server.port}`)
		await page.locator('#model option').first().waitFor({ state: 'attached' })
		await page.locator('[aria-label="Max tokens"]').fill(String(TOKENS))
		await page.fill('#prompt', 'She had always')
		await measureText(bench, page)
	} finally {
		await browser.close()
	}
}

/** Lets the text grow, then writes on from the whole of it; as often, by turns, what follows is read without being shown. */
async function measureText(bench: Bench, page: Page): Promise<void> {
	const growing: Pair[] = []
	for (let round = 0; round < CONTINUATIONS; round++) growing.push(await readPair(page, round))
	const tokens = await page.locator('.token').count()
	const whole: Pair[] = []
	for (let round = 0; round < CONTINUATIONS; round++) {
		// The text is as long as before once its end is written again.
		await page
			.locator('#write-bar [aria-label^="Undo"]')
			.evaluate((undo: HTMLElement) => undo.click())
		await Bun.sleep(REST_MS)
		whole.push(await readPair(page, round))
	}
	const pairs = [...growing.slice(WARMUPS), ...whole]
	const speeds = (list: readonly Reading[]) => list.map(({ ms }) => (TOKENS / ms) * 1000)
	const shares = (list: readonly Pair[]) => list.map(({ raw, shown }) => (raw.ms / shown.ms) * 100)
	const longest = (list: readonly Reading[]) => [Math.max(...list.map(({ frameMs }) => frameMs))]
	const add = (name: string, unit: string, samples: readonly number[], goal?: Goal) =>
		bench.report.add({ subject: 'page', name, unit, samples, goal: goal ?? null })
	const fast: Goal = { of: 'value', bound: 'min', limit: 90 }
	const shown = [...growing, ...whole].map((pair) => pair.shown)
	const raw = [...growing, ...whole].map((pair) => pair.raw)
	add('read raw in the page', 'tok/s', speeds(raw))
	add('shown in Write', 'tok/s', speeds(shown))
	add('shown against raw, once warm', '%', shares(pairs), fast)
	add(`the same, ${tokens.toLocaleString('en')} tokens on the page`, '%', shares(whole), fast)
	add('longest frame', 'ms', longest(shown), { of: 'value', bound: 'max', limit: 50 })
	add('longest frame while read raw', 'ms', longest(raw))
}

/** A continuation that is shown, and one that is read only, in an order that changes from round to round. */
async function readPair(page: Page, round: number): Promise<Pair> {
	const read = async (way: 'shown' | 'raw') => {
		const reading = await page.evaluate((name) => readings[name](), way)
		await Bun.sleep(REST_MS)
		return reading
	}
	if (round % 2 === 0) return { shown: await read('shown'), raw: await read('raw') }
	const raw = await read('raw')
	return { shown: await read('shown'), raw }
}

/** What `watchPage` leaves in the page. */
declare const readings: { shown(): Promise<Reading>; raw(): Promise<Reading> }

/** Runs in the page, before its own scripts. */
function watchPage(): void {
	const realFetch = window.fetch
	let request: { url: string; init: RequestInit | undefined } | null = null
	window.fetch = Object.assign(
		(input: RequestInfo | URL, init?: RequestInit) => {
			if (String(input).includes('/v1/completions')) request = { url: String(input), init }
			return realFetch(input, init)
		},
		{ preconnect: () => {} },
	)
	/** The work of each frame: from its first callback until the thread is free again. */
	const watched = async (read: () => Promise<void>): Promise<Reading> => {
		let frameMs = 0
		let isReading = true
		const { port1, port2 } = new MessageChannel()
		const frame = () => {
			const begin = performance.now()
			port2.onmessage = () => {
				frameMs = Math.max(frameMs, performance.now() - begin)
			}
			port1.postMessage(null)
			if (isReading) requestAnimationFrame(frame)
		}
		requestAnimationFrame(frame)
		const begin = performance.now()
		await read()
		const ms = performance.now() - begin
		isReading = false
		return { ms, frameMs }
	}
	const shown = () =>
		watched(async () => {
			const go = document.querySelector<HTMLButtonElement>('#continue')
			go?.click()
			await new Promise<void>((resolve) => {
				new MutationObserver((_, observer) => {
					if (go?.hidden) return
					observer.disconnect()
					resolve()
				}).observe(go!, { attributeFilter: ['hidden'] })
			})
		})
	const raw = () =>
		watched(async () => {
			if (request === null) throw new Error('nothing was shown yet')
			const { signal: _, ...init } = request.init ?? {}
			// The text as it stands, with another seed: no way finds what the other has left.
			const body = { ...JSON.parse(String(init.body)), seed: Math.floor(Math.random() * 1e6) }
			body.prompt = document.querySelector('#output')?.textContent
			const response = await realFetch(request.url, { ...init, body: JSON.stringify(body) })
			const reader = response.body!.getReader()
			while (!(await reader.read()).done);
		})
	Object.assign(window, { readings: { shown, raw } })
}
