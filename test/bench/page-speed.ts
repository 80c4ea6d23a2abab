/** How fast the page shows a stream, beside the same stream read without showing anything, in Chromium. */
import { chromium, type Page } from 'playwright-core'
import { chromiumPath } from '../helpers/chromium.ts'
import { type Bench, runsDirectory } from './bench-context.ts'
import { startServer } from './server-process.ts'

/** Tokens of one continuation, and how many follow each other. */
const TOKENS = 2048
const CONTINUATIONS = 10

/** The last of them, whose text is the longest. */
const LAST = 4

/** What the page stores and counts once a text rests is over after so long. */
const REST_MS = 1500

/** One continuation: how long reading took, and the frame that took longest meanwhile, milliseconds. */
interface Reading {
	readonly ms: number
	readonly frameMs: number
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

/** Lets the text grow; as often, by turns, what follows it is read without being shown. */
async function measureText(bench: Bench, page: Page): Promise<void> {
	const lists: Record<'shown' | 'raw', Reading[]> = { shown: [], raw: [] }
	const { shown, raw } = lists
	for (let round = 0; round < CONTINUATIONS; round++) {
		const order = ['shown', 'raw'] as const
		for (const way of round % 2 === 0 ? order : order.toReversed()) {
			lists[way].push(await page.evaluate((name) => readings[name](), way))
			await Bun.sleep(REST_MS)
		}
	}
	const tokens = await page.locator('.token').count()
	const speeds = (list: readonly Reading[]) => list.map(({ ms }) => (TOKENS / ms) * 1000)
	const add = (name: string, unit: string, samples: readonly number[], goal = {}) =>
		bench.report.add({ subject: 'page', name, unit, samples, ...goal })
	add('read raw in the page', 'tok/s', speeds(raw))
	add('shown in Write', 'tok/s', speeds(shown))
	const shares = raw.map(({ ms }, round) => (ms / (shown[round]?.ms ?? Number.NaN)) * 100)
	add(`shown against raw, text up to ${tokens.toLocaleString('en')} tokens`, '%', shares, {
		goal: { of: 'value', bound: 'min', limit: 90 },
	})
	add(`the same, last ${LAST} continuations`, '%', shares.slice(-LAST), {
		goal: { of: 'value', bound: 'min', limit: 90 },
	})
	add('longest frame', 'ms', [Math.max(...shown.map(({ frameMs }) => frameMs))], {
		goal: { of: 'value', bound: 'max', limit: 50 },
	})
	add('longest frame while read raw', 'ms', [Math.max(...raw.map(({ frameMs }) => frameMs))])
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
