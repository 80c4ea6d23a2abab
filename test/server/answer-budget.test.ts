/** Long answers are bounded together: from before anything is made of them until they have left. */

import { describe, expect, test } from 'bun:test'
import { gunzipSync } from 'node:zlib'
import { AnswerBudget } from '../../src/server/answer-budget.ts'
import { defaultLimits } from '../../src/server/deps.ts'
import { countedGarbage } from '../helpers/counted-garbage.ts'
import { eventually } from '../helpers/eventually.ts'
import { type FakeRun, saying } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

const KIB = 1024

/** A budget that counts its collections. */
function watched({ answerWaitMsMax = 10_000, garbageBytesMax = Number.POSITIVE_INFINITY } = {}) {
	const { garbage, collections } = countedGarbage(garbageBytesMax)
	const budget = new AnswerBudget({ answersBytesMax: 1000 * KIB, answerWaitMsMax }, garbage)
	return { budget, collections }
}

describe('room for long answers', () => {
	test('is given in the order of arrival, as answers leave', async () => {
		const { budget } = watched()
		const first = await budget.take(600 * KIB)
		const order: string[] = []
		const second = budget.take(600 * KIB).then((room) => {
			order.push('second')
			return room
		})
		const third = budget.take(200 * KIB).then(() => order.push('third'))
		first?.[Symbol.dispose]()
		first?.[Symbol.dispose]()
		await Promise.all([second, third])
		expect(order).toEqual(['second', 'third'])
	})

	test('is not needed for short ones', async () => {
		const { budget } = watched()
		using _all = await budget.take(1000 * KIB)
		expect(await budget.take(64 * KIB)).toBeNull()
	})

	test('is found by one that is larger than all of it, when nothing else is there', async () => {
		const { budget } = watched()
		using _room = await budget.take(16_000 * KIB)
	})

	test('is waited for so long, then refused, and who wants less goes on', async () => {
		const { budget } = watched({ answerWaitMsMax: 1 })
		using _most = await budget.take(800 * KIB)
		const tooMuch = budget.take(300 * KIB)
		const enough = budget.take(100 * KIB)
		await expect(tooMuch).rejects.toThrow('too many long answers are under way')
		using _room = await enough
	})

	test('is made by collecting what earlier answers have left', async () => {
		const { budget, collections } = watched({ garbageBytesMax: 250 * KIB })
		for (let i = 0; i < 3; i++) (await budget.take(100 * KIB))?.[Symbol.dispose]()
		expect(collections()).toBe(0)
		using _room = await budget.take(100 * KIB)
		expect(collections()).toBe(1)
	})
})

/** A server with room for one answer that repeats this prompt, and what runs there. */
function openApp() {
	const runs: FakeRun[] = []
	const app = testApp({
		script: (run) => void runs.push(run),
		deps: { limits: { ...defaultLimits, answersBytesMax: 150 * KIB, answerWaitMsMax: 20 } },
	})
	const body = { prompt: 'a'.repeat(50 * KIB), n: 2, max_tokens: 1, echo: true }
	const ask = (more = {}, headers = {}) =>
		app.post('/v1/completions', { ...body, ...more }, headers)
	/** The answer to one more request, which is to run. */
	const answer = async (headers = {}) => {
		const next = runs.length
		const answering = ask({}, headers)
		await eventually(() => runs.length === next + 1)
		saying('hi')(runs[next]!)
		return await answering
	}
	return { runs, ask, answer }
}

describe('a request with a long answer', () => {
	test('gets 503 when there is no room for long, and an answer when there is', async () => {
		const { runs, ask, answer } = openApp()
		const first = ask()
		await eventually(() => runs.length === 1)
		const refused = await ask()
		expect([refused.status, runs.length]).toEqual([503, 1])
		expect(refused.headers.get('retry-after')).not.toBeNull()
		saying('hi')(runs[0]!)
		expect((await (await first).text()).length).toBeGreaterThan(100 * KIB)
		expect((await answer()).status).toBe(200)
	})

	test('takes room until its last byte has left, not only while it is made', async () => {
		const { ask, answer } = openApp()
		const unread = await answer()
		expect((await ask()).status).toBe(503)
		await unread.body!.cancel()
		expect((await answer()).status).toBe(200)
	})

	test('is packed while it leaves for clients that take gzip, and takes room until then', async () => {
		const { ask, answer } = openApp()
		const unread = await answer({ 'accept-encoding': 'gzip' })
		expect((await ask()).status).toBe(503)
		await unread.body!.cancel()
		const packed = await answer({ 'accept-encoding': 'gzip' })
		expect(packed.headers.get('content-encoding')).toBe('gzip')
		expect(packed.headers.get('vary')).toBe('accept-encoding')
		const plain = gunzipSync(await packed.arrayBuffer())
		expect(plain.length).toBeGreaterThan(100 * KIB)
		const { choices } = JSON.parse(plain.toString())
		const [text] = choices.map((choice: { text: string }) => choice.text)
		expect(text).toBe(`${'a'.repeat(50 * KIB)}h`)
	})

	test('gives its room back when it fails, as a stream, too', async () => {
		const { runs, ask, answer } = openApp()
		for (const [i, stream] of [false, true].entries()) {
			const failing = ask({ stream })
			await eventually(() => runs.length === i + 1)
			runs[i]!.fail(new Error('the engine has died'))
			await (await failing).text()
		}
		expect((await answer()).status).toBe(200)
	})
})
