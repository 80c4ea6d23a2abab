/** Bodies are bounded together: what is being read, waits and runs. */
import { expect, test } from 'bun:test'
import { BodyBudget } from '../../src/server/body-budget.ts'
import { defaultLimits } from '../../src/server/deps.ts'
import { countedGarbage } from '../helpers/counted-garbage.ts'
import { eventually } from '../helpers/eventually.ts'
import { type FakeRun, saying } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

const KIB = 1024
const { garbage: noGarbage } = countedGarbage(Number.POSITIVE_INFINITY)

test('bytes are held until their request has ended', () => {
	const budget = new BodyBudget(100, noGarbage)
	const first = budget.open('a')
	first.take(30)
	first.take(20)
	expect(budget.bytes).toBe(50)
	expect(() => budget.open('b').take(51)).toThrow('too many bytes of requests are under way')
	first[Symbol.dispose]()
	first[Symbol.dispose]()
	expect(budget.bytes).toBe(0)
	budget.open('b').take(50)
})

test('one client holds no more than half', () => {
	const budget = new BodyBudget(100, noGarbage)
	using a = budget.open('a')
	a.take(50)
	expect(() => budget.open('a').take(1)).toThrow()
	using b = budget.open('b')
	b.take(50)
})

/** A budget that counts its collections, with shares of long bodies. */
function watched(garbageBytesMax: number) {
	const { garbage, collections } = countedGarbage(garbageBytesMax)
	const budget = new BodyBudget(1024 * KIB, garbage)
	const share = (bytes: number, client = 'a') => {
		const taken = budget.open(client)
		taken.take(bytes)
		return taken
	}
	/** A request from its beginning to its end. */
	const ask = async (bytes: number) => {
		using bodyBytes = share(bytes)
		using _turn = await bodyBytes.turn()
	}
	return { collections, share, ask }
}

test('something is made of one long body at a time, in the order of arrival', async () => {
	const { share } = watched(Number.POSITIVE_INFINITY)
	const order: string[] = []
	const work = async (name: string) => {
		using _turn = await share(100 * KIB).turn()
		order.push(`${name} begins`)
		await Promise.resolve()
		order.push(`${name} ends`)
	}
	await Promise.all([work('first'), work('second'), work('third')])
	const one = (name: string) => [`${name} begins`, `${name} ends`]
	expect(order).toEqual([...one('first'), ...one('second'), ...one('third')])
})

test('clients take turns with long bodies, however many one has sent', async () => {
	const { share } = watched(Number.POSITIVE_INFINITY)
	const order: string[] = []
	const work = async (client: string) => {
		using _turn = await share(70 * KIB, client).turn()
		order.push(client)
		await Promise.resolve()
	}
	await Promise.all([...'aaabbc'].map(work))
	expect(order.join('')).toBe('aabcab')
})

test('short bodies wait for nobody', async () => {
	const { share } = watched(0)
	using _long = await share(100 * KIB).turn()
	using _short = await share(64 * KIB).turn()
})

test('who fails gives the turn on', async () => {
	const { share } = watched(Number.POSITIVE_INFINITY)
	const failing = async () => {
		using _turn = await share(100 * KIB).turn()
		throw new Error('not JSON')
	}
	await expect(failing()).rejects.toThrow('not JSON')
	using _turn = await share(100 * KIB).turn()
})

test('what long bodies have left is collected before something is made of the next', async () => {
	const { ask, collections } = watched(250 * KIB)
	for (let i = 0; i < 3; i++) await ask(100 * KIB)
	expect(collections()).toBe(0)
	await ask(100 * KIB)
	expect(collections()).toBe(1)
	for (let i = 0; i < 2; i++) await ask(100 * KIB)
	expect(collections()).toBe(1)
	await ask(100 * KIB)
	expect(collections()).toBe(2)
})

test('short bodies neither count as garbage nor have it collected', async () => {
	const { ask, collections } = watched(150 * KIB)
	for (let i = 0; i < 100; i++) await ask(64 * KIB)
	await ask(100 * KIB)
	expect(collections()).toBe(0)
	await ask(100 * KIB)
	await ask(64 * KIB)
	expect(collections()).toBe(0)
	await ask(100 * KIB)
	expect(collections()).toBe(1)
})

test('a request that finds no room for its body gets 503, and another one when there is', async () => {
	const runs: FakeRun[] = []
	const app = testApp({
		script: (run) => void runs.push(run),
		deps: { limits: { ...defaultLimits, bodiesBytesMax: 1000 } },
	})
	const body = { prompt: 'a'.repeat(300) }
	const first = app.post('/v1/completions', body, { 'content-length': '316' })
	await eventually(() => runs.length === 1)
	const refused = await app.post('/v1/completions', body, { 'content-length': '316' })
	expect(refused.status).toBe(503)
	expect(refused.headers.get('retry-after')).not.toBeNull()
	saying('hi')(runs[0]!)
	expect((await first).status).toBe(200)
	const again = app.post('/v1/completions', body, { 'content-length': '316' })
	await eventually(() => runs.length === 2)
	saying('hi')(runs[1]!)
	expect((await again).status).toBe(200)
})

test('a body without a length counts as it arrives', async () => {
	const app = testApp({ deps: { limits: { ...defaultLimits, bodiesBytesMax: 1000 } } })
	const response = await app.post('/v1/completions', { prompt: 'a'.repeat(600) })
	expect(response.status).toBe(503)
})

test('a page of another site cannot send what browsers send without asking', async () => {
	const headers = { 'content-type': 'text/plain', 'sec-fetch-site': 'cross-site' }
	const app = testApp()
	expect((await app.post('/v1/completions', { prompt: 'a' }, headers)).status).toBe(415)
	// A Blob without a type is sent without one, and nobody is asked either.
	const body = new Blob(['{"prompt":"a"}'])
	const untyped = new Request('http://localhost/v1/completions', { method: 'POST', body, headers })
	untyped.headers.delete('content-type')
	expect((await app.app.handle(untyped)).status).toBe(415)
	const sameSite = { 'content-type': 'text/plain', 'sec-fetch-site': 'same-origin' }
	expect((await app.post('/v1/completions', { prompt: 'a' }, sameSite)).status).toBe(200)
	const asked = { 'content-type': 'application/json', 'sec-fetch-site': 'cross-site' }
	expect((await app.post('/v1/completions', { prompt: 'a' }, asked)).status).toBe(200)
})
