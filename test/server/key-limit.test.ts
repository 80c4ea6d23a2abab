import { expect, test } from 'bun:test'
import { defaultLimits } from '../../src/server/deps.ts'
import { eventually } from '../helpers/eventually.ts'
import { type FakeRun, saying } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

test('a key with too much under way gets 429, others do not, and its place comes free again', async () => {
	const runs: FakeRun[] = []
	const app = testApp({
		script: (run) => void runs.push(run),
		deps: {
			apiKeys: ['one', 'two'].map((value) => ({ name: value, value })),
			limits: { ...defaultLimits, generationsPerKeyMax: 1 },
		},
	})
	const ask = (key: string) =>
		app.post('/v1/completions', { prompt: 'a' }, { authorization: `Bearer ${key}` })
	const first = ask('one')
	await eventually(() => runs.length > 0)

	const refused = await ask('one')
	expect(refused.status).toBe(429)
	expect(refused.headers.get('retry-after')).toBe('1')
	expect(await refused.json()).toMatchObject({
		error: { type: 'requests', code: 'rate_limit_exceeded' },
	})

	const other = ask('two')
	await eventually(() => runs.length > 1)
	for (const run of runs) saying('hi')(run)
	expect([(await first).status, (await other).status]).toEqual([200, 200])

	const again = ask('one')
	await eventually(() => runs.length > 2)
	saying('hi')(runs[2]!)
	expect((await again).status).toBe(200)
})
