/** Compressed answers, over a socket. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { gunzipSync } from 'node:zlib'
import { fakeCard } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

describe('compression', () => {
	const cards = Array.from({ length: 100 }, (_, i) => fakeCard(`model-${i}`))
	let server: ReturnType<ReturnType<typeof testApp>['listen']>
	beforeAll(() => {
		server = testApp({ cards }).listen()
	})
	afterAll(() => server[Symbol.dispose]())

	const get = (path: string, accepted: string) =>
		fetch(`${server.url}${path}`, {
			headers: { 'accept-encoding': accepted },
			decompress: false,
		})

	test.each([
		'/api/models',
		'/v1/models',
		'/',
		'/ui/app.js',
		'/ui/style.css',
		'/swagger/json',
		'/swagger/swagger-ui.css',
	])('of %s is the same content in fewer bytes', async (path) => {
		const plain = await get(path, 'identity')
		const packed = await get(path, 'br, gzip;q=0.8')
		expect(plain.headers.get('content-encoding')).toBeNull()
		expect(packed.headers.get('content-encoding')).toBe('gzip')
		expect(packed.headers.get('vary')).toContain('accept-encoding')
		expect(packed.headers.get('content-type')).toBe(plain.headers.get('content-type'))
		const bytes = Buffer.from(await packed.arrayBuffer())
		const content = await plain.text()
		expect(gunzipSync(bytes).toString()).toBe(content)
		expect(bytes.length).toBeLessThan(content.length / 2)
	})

	test('is left out where it is refused, for short answers, and for streams', async () => {
		expect((await get('/api/models', 'gzip;q=0')).headers.get('content-encoding')).toBeNull()
		expect((await get('/health', 'gzip')).headers.get('content-encoding')).toBeNull()
		const body = JSON.stringify({ prompt: 'a', stream: true })
		const stream = await fetch(`${server.url}/v1/completions`, {
			method: 'POST',
			headers: { 'accept-encoding': 'gzip', 'content-type': 'application/json' },
			body,
		})
		expect(stream.headers.get('content-encoding')).toBeNull()
		expect(await stream.text()).toContain('data: [DONE]')
	})

	test('keeps the ETag of what it packs', async () => {
		const packed = await get('/api/models', 'gzip')
		const etag = packed.headers.get('etag') ?? ''
		expect(etag).toStartWith('W/"')
		const again = await fetch(`${server.url}/api/models`, { headers: { 'if-none-match': etag } })
		expect(again.status).toBe(304)
	})
})
