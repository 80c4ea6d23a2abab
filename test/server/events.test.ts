/** GET /api/events, and the list of models for clients that ask again. */
import { describe, expect, test } from 'bun:test'
import { fakeCard } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

/** Reads events of a stream one by one. */
async function* eventsOf(response: Response): AsyncGenerator<{ type: string; data: unknown }> {
	let text = ''
	for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
		text += piece
		const blocks = text.split('\n\n')
		text = blocks.pop() ?? ''
		for (const block of blocks) {
			const [, type = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(block) ?? []
			if (type !== '') yield { type, data: JSON.parse(data) }
		}
	}
}

describe('GET /api/events', () => {
	test('tells the server, then the list of models, and the list again when it has changed', async () => {
		const cards = [fakeCard('first', { state: 'available' })]
		const app = testApp({ cards })
		const events = eventsOf(await app.get('/api/events'))
		expect((await events.next()).value).toEqual({
			type: 'server',
			data: { directory: '/runs', uploads: false },
		})
		expect((await events.next()).value).toMatchObject({
			type: 'models',
			data: [{ id: 'first', state: 'available', lastLoss: 4.123 }],
		})
		cards[0] = fakeCard('first', { state: 'loaded' })
		app.catalog.change()
		expect((await events.next()).value).toMatchObject({
			type: 'models',
			data: [{ id: 'first', state: 'loaded' }],
		})
		await events.return(undefined)
	})
})

describe('GET /api/models', () => {
	test('answers 304 to who has the list already', async () => {
		const app = testApp({})
		const first = await app.get('/api/models')
		const etag = first.headers.get('etag') ?? ''
		expect(etag).toMatch(/^"\w+"$/)
		const again = await app.get('/api/models', { 'if-none-match': `W/${etag}` })
		expect(again.status).toBe(304)
		expect(await again.text()).toBe('')
		const other = await app.get('/api/models', { 'if-none-match': '"other"' })
		expect(other.status).toBe(200)
	})
})
