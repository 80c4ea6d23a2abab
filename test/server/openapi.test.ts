import { describe, expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { failures } from '../../src/server/openapi.ts'
import { toDocument } from '../../src/server/openapi-document.ts'
import { testApp } from '../helpers/test-app.ts'

interface Body {
	readonly schema: { readonly $ref?: string }
	readonly example?: unknown
}

interface Operation {
	readonly operationId: string
	readonly summary: string
	readonly description?: string
	readonly 'x-aliases'?: readonly string[]
	readonly requestBody?: { readonly content: Readonly<Record<string, Body>> }
	readonly responses: Readonly<Record<string, unknown>>
}

interface Document {
	readonly openapi: string
	readonly servers: readonly { readonly url: string }[]
	readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
	readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

async function documentAt(path = '/openapi.json', app = testApp()): Promise<Document> {
	return (await app.get(path)).json()
}

/** All schemas of a part of the document that refer to another by name. */
function references(part: unknown): string[] {
	if (typeof part !== 'object' || part === null) return []
	const own = '$ref' in part ? [String(part.$ref)] : []
	return [...own, ...Object.values(part).flatMap(references)]
}

describe('the page', () => {
	test('and all it loads come from this server, wherever a proxy has put it', async () => {
		const app = testApp()
		for (const path of ['/swagger', '/swagger/']) {
			const page = await (await app.get(path)).text()
			const links = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!)
			expect(links.length).toBeGreaterThan(6)
			for (const link of links) {
				const url = new URL(link, `http://proxy/some/prefix${path}`)
				expect(url.pathname).toStartWith('/some/prefix/')
				const response = await app.get(url.pathname.slice('/some/prefix'.length))
				expect([link, response.status]).toEqual([link, 200])
			}
		}
	})

	test('may load nothing from elsewhere', async () => {
		const policy = (await testApp().get('/swagger')).headers.get('content-security-policy')
		expect(policy).toContain("default-src 'none'; script-src 'self';")
	})

	test('leads back to the models', async () => {
		const page = await (await testApp().get('/swagger')).text()
		expect(page).toContain('<a href="swagger/../"><img')
	})
})

describe('the document', () => {
	test('lists every operation once, with its other paths', async () => {
		const app = testApp()
		const { openapi, paths } = await documentAt('/openapi.json', app)
		expect(openapi).toBe('3.1.0')
		const routes = app.app.routes.filter(({ hooks }) => hooks.detail?.hide !== true)
		const known = new Set<string>()
		for (const [path, methods] of Object.entries(paths)) {
			for (const [method, operation] of Object.entries(methods)) {
				for (const each of [path, ...(operation['x-aliases'] ?? [])]) {
					known.add(`${method.toUpperCase()} ${each}`)
				}
				for (const alias of operation['x-aliases'] ?? []) {
					expect(operation.description).toContain(`\`${alias}\``)
				}
				expect(Object.keys(operation.responses).length).toBeGreaterThan(0)
			}
		}
		const expected = routes.map(
			({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`,
		)
		expect([...known].sort()).toEqual(expected.sort())
		expect(paths['/v1/chat/completions']?.['post']?.['x-aliases']).toEqual(['/chat/completions'])
		expect(paths['/chat/completions']).toBeUndefined()
	})

	test('names every operation differently', async () => {
		const { paths } = await documentAt()
		const ids = Object.values(paths).flatMap((methods) =>
			Object.values(methods).map(({ operationId }) => operationId),
		)
		expect(new Set(ids).size).toBe(ids.length)
		expect(ids.filter((id) => !/^[a-z][A-Za-z]+$/.test(id))).toEqual([])
	})

	test('is at two places, each of which says where the routes are from there', async () => {
		const app = testApp({ deps: { apiKeys: [{ name: 'a', value: 'a-key' }] } })
		for (const path of ['/openapi.json', '/swagger/json']) {
			const { servers } = await documentAt(path, app)
			const root = new URL(servers[0]!.url, `http://proxy/some/prefix${path}`)
			expect(root.href).toBe('http://proxy/some/prefix/')
		}
		const { servers: _here, ...one } = await documentAt('/openapi.json', app)
		const { servers: _there, ...other } = await documentAt('/swagger/json', app)
		expect(one).toEqual(other)
	})

	test('has every body by its name, and each name stands for something', async () => {
		const document = await documentAt()
		for (const reference of references(document)) {
			const [, , kind = '', name = ''] = reference.split('/')
			const isFound = document.components[kind]?.[name] !== undefined
			expect({ reference, isFound }).toEqual({ reference, isFound: true })
		}
		const operations = Object.values(document.paths).flatMap((each) => Object.values(each))
		const bodies = operations.flatMap(
			({ requestBody }) => requestBody?.content['application/json'] ?? [],
		)
		expect(bodies.length).toBeGreaterThan(9)
		expect(bodies.filter(({ schema }) => schema.$ref === undefined)).toEqual([])
	})

	test('describes fields with defaults and bounds, and bodies with an example', async () => {
		const request = {
			required: ['messages'],
			properties: {
				temperature: { type: ['number', 'null'], minimum: 0, maximum: 2, default: 0.7 },
				max_tokens: {
					anyOf: [{ minimum: 1 }, { maximum: -1 }, { type: 'null' }],
					default: 2048,
				},
			},
		}
		const { paths, components } = await documentAt()
		expect(components).toMatchObject({ schemas: { ChatCompletionRequest: request } })
		const body = paths['/v1/chat/completions']?.['post']?.requestBody?.content['application/json']
		expect(body?.example).toMatchObject({ messages: [{ role: 'user' }] })
	})

	test('has JSON Schema, and nothing of what TypeBox and OpenAPI 3.0 have instead', async () => {
		const { components } = await documentAt()
		expect(JSON.stringify(components)).not.toMatch(/"nullable"|"not"/)
		const choices = { type: 'string', enum: ['none', 'auto'] }
		expect(components).toMatchObject({
			schemas: {
				ChatCompletionRequest: {
					description: expect.stringContaining('Refused: `chat_template` (The model'),
					properties: {
						function_call: { anyOf: [choices, { type: 'null' }] },
					},
				},
				ChatCompletion: { properties: { object: { const: 'chat.completion' } } },
			},
		})
	})

	test('tells the code of every error, under its status', async () => {
		const src = join(import.meta.dir, '../../src')
		const known = new Set<string>()
		for (const folder of ['wire', 'server', 'models', 'upload', 'openai', 'alpha']) {
			for (const file of readdirSync(join(src, folder), { recursive: true })) {
				const path = join(src, folder, String(file))
				if (!path.endsWith('.ts') || path.endsWith('server/openapi.ts')) continue
				const source = await Bun.file(path).text()
				const codes = source.matchAll(/(?:\bcode: |badRequest\()'([a-z_]+)'/g)
				for (const [, code = ''] of codes) known.add(code)
			}
		}
		expect(known.size).toBeGreaterThan(20)
		const told = new Set<string>(Object.values(failures).flatMap(({ codes }) => [...codes]))
		// Paths and methods that no operation has.
		const outside = new Set(['unknown_url', 'method_not_allowed'])
		expect([...known.difference(told).difference(outside)]).toEqual([])
		expect((await documentAt()).components).toMatchObject({
			responses: {
				Conflict: {
					description: expect.stringContaining('`code`: conflict.'),
					headers: { 'Retry-After': { $ref: '#/components/headers/Retry-After' } },
				},
			},
		})
	})

	test('cannot have two schemas of one name', () => {
		const operation = (...schemas: object[]) => ({
			responses: { 200: { content: schemas.map((schema) => ({ schema })) } },
		})
		const gathered = (...schemas: object[]) => ({ paths: { '/': { get: operation(...schemas) } } })
		const one = { title: 'It', type: 'string' }
		expect(() => toDocument(gathered(one, { ...one, description: 'Here.' }))).not.toThrow()
		expect(() => toDocument(gathered(one, { ...one, maxLength: 1 }))).toThrow('are called It')
	})
})
