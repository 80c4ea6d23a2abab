/** Who may ask for what: every documented operation, with and without what it asks for. */
import { describe, expect, spyOn, test } from 'bun:test'
import * as crypto from 'node:crypto'
import { noUploads, testApp } from '../helpers/test-app.ts'

const key = 'a-key'
const secret = 'a-secret'

interface Operation {
	readonly method: string
	readonly path: string
	/** Null: that of the document, which is the API key. */
	readonly security: readonly object[] | null
}

/** All operations of the document, with a model's name in the place of parameters. */
async function operations(): Promise<Operation[]> {
	const { paths } = await (await testApp().get('/swagger/json')).json()
	return Object.entries<Record<string, { security?: object[] }>>(paths).flatMap(([path, methods]) =>
		Object.entries(methods).map(([method, { security = null }]) => ({
			method: method.toUpperCase(),
			path: path.replace(/\{\w+\}/g, 'first'),
			security,
		})),
	)
}

const guarded = testApp({
	deps: {
		apiKeys: [{ name: 'mine', value: key }],
		uploads: {
			...noUploads,
			secret,
			receive: () => Promise.resolve({ name: 'run', step: 1 }),
			receivePiece: () => Promise.resolve({ uploadId: 'x', index: 0, total: 1, received: 1 }),
			assemble: () => Promise.resolve({ name: 'run', step: 1 }),
		},
	},
})

async function ask({ method, path }: Operation, token: string | null): Promise<number> {
	const headers = token === null ? {} : { authorization: `Bearer ${token}` }
	const body = method === 'POST' ? '{}' : null
	const request = new Request(`http://localhost${path}`, { method, headers, body })
	return (await guarded.app.handle(request)).status
}

describe('every documented operation', async () => {
	const all = await operations()

	test('is found', () => {
		expect(all.length).toBeGreaterThan(30)
	})

	for (const operation of all) {
		const { method, path, security } = operation
		if (security === null) {
			test(`${method} ${path} asks for an API key`, async () => {
				expect(await ask(operation, null)).toBe(401)
				expect(await ask(operation, 'a-ke')).toBe(401)
				expect(await ask(operation, secret)).toBe(401)
				expect([200, 204, 400, 404]).toContain(await ask(operation, key))
			})
		} else if (security.length === 0) {
			test(`${method} ${path} is open to all`, async () => {
				expect(await ask(operation, null)).toBe(200)
				expect(await ask(operation, 'whatever')).toBe(200)
			})
		} else {
			test(`${method} ${path} asks for the upload secret, which a key does not replace`, async () => {
				expect(await ask(operation, null)).toBe(401)
				expect(await ask(operation, key)).toBe(401)
				expect([200, 400]).toContain(await ask(operation, secret))
			})
		}
	}
})

test('every key is compared in constant time, however near a candidate comes', async () => {
	using compare = spyOn(crypto, 'timingSafeEqual')
	const { app } = testApp({
		deps: { apiKeys: ['first', 'second', 'third'].map((value) => ({ name: value, value })) },
	})
	for (const candidate of ['', 'f', 'firs', 'first', 'firsts', 'third', 'x'.repeat(1000)]) {
		compare.mockClear()
		const headers = { authorization: `Bearer ${candidate}` }
		await app.handle(new Request('http://localhost/v1/models', { headers }))
		expect(compare.mock.calls.map(([a, b]) => [a.byteLength, b.byteLength])).toEqual(
			Array.from({ length: 3 }, () => [32, 32]),
		)
	}
})

test('an alias of an operation asks for the same as the operation', async () => {
	const byPath = new Map((await operations()).map((each) => [each.method + each.path, each]))
	for (const { method, path, security } of byPath.values()) {
		const alias = byPath.get(method + path.replace(/^\/(v1|api)/, ''))
		if (alias !== undefined) expect(alias.security).toEqual(security)
	}
})

describe('with keys', () => {
	const authorized = { authorization: `Bearer ${key}` }

	for (const path of ['/v1/nothing', '/api/nothing', '/nothing', '/v1/models/first/nothing']) {
		test(`${path}, which no route declares, is closed`, async () => {
			expect((await guarded.get(path)).status).toBe(401)
			expect((await guarded.get(path, authorized)).status).toBe(404)
		})
	}

	for (const path of ['/v1/models/', '/v1//models', '//v1/models', '/v1/models?x=1']) {
		test(`another way to write a path opens nothing: ${path}`, async () => {
			using server = guarded.listen()
			const refused = await fetch(server.url + path)
			expect(refused.status).toBe(401)
			expect(refused.headers.get('www-authenticate')).toBe('Bearer')
			expect(refused.headers.get('access-control-allow-origin')).toBe('*')
			expect((await fetch(server.url + path, { headers: authorized })).status).toBe(200)
		})
	}

	test('HEAD asks for the same as GET', async () => {
		const head = (headers: HeadersInit) =>
			guarded.app.handle(new Request('http://localhost/v1/models', { method: 'HEAD', headers }))
		expect((await head({})).status).toBe(401)
		expect((await head(authorized)).status).toBe(200)
	})

	test('pages and what they load are open', async () => {
		for (const path of ['/', '/swagger', '/swagger/json', '/openapi.json']) {
			expect((await guarded.get(path)).status).toBe(200)
		}
	})
})

test('without keys any Authorization is ignored', async () => {
	const headers = { authorization: 'Whatever \u00ff' }
	expect((await testApp().get('/v1/models', headers)).status).toBe(200)
})

test('without an upload secret nobody changes what is served', async () => {
	for (const path of ['/api/upload', '/api/models/first/load', '/api/models/first/unload']) {
		expect((await testApp().post(path, {}, { authorization: 'Bearer null' })).status).toBe(403)
	}
})
