/** The examples of the OpenAPI document, sent to the compiled server: they and its descriptions of answers are true. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import Ajv from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { type AlphaServer, startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { toBinaryForm } from '../helpers/tiny-checkpoint.ts'

setDefaultTimeout(120_000)

interface Parameter {
	readonly name: string
	readonly in: 'path' | 'query' | 'header'
	readonly required?: boolean
	readonly example?: unknown
}

interface Operation {
	readonly parameters?: readonly Parameter[]
	readonly requestBody?: {
		readonly content: Readonly<Record<string, { readonly example?: unknown }>>
	}
	readonly responses: Readonly<Record<string, { readonly content?: Record<string, unknown> }>>
}

interface Document {
	readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

interface UploadExample {
	readonly config: object
	readonly checkpoint: {
		readonly modelConfig: Record<string, unknown>
		readonly params: Readonly<Record<string, { readonly shape: number[]; readonly data: number[] }>>
		readonly tokenizerArtifacts: unknown
	}
}

describe('examples', () => {
	let server: AlphaServer
	let document: Document
	const ajv = addFormats(new Ajv({ strict: false, formats: { binary: true } }))

	beforeAll(async () => {
		server = await startAlpha({ runs: [] })
		document = await (await fetch(`${server.url}/openapi.json`)).json()
		ajv.addSchema(document, 'document')
	})
	afterAll(() => server.stop())

	function at(method: string, path: string): Operation {
		const operation = document.paths[path]?.[method]
		if (operation === undefined) throw new Error(`expected ${method} ${path} to be documented`)
		return operation
	}

	/** Asks as the examples of the document say. */
	async function ask(method: string, path: string): Promise<Response> {
		const { parameters = [], requestBody } = at(method, path)
		const query = new URLSearchParams()
		const headers = new Headers({ authorization: `Bearer ${uploadSecret}` })
		let filled = path
		for (const { name, in: place, required = false, example } of parameters) {
			if (required)
				expect({ path, name, example }).toEqual({ path, name, example: expect.anything() })
			if (example === undefined) continue
			if (place === 'path')
				filled = filled.replace(`{${name}}`, encodeURIComponent(String(example)))
			else if (place === 'query') query.set(name, String(example))
			else headers.set(name, String(example))
		}
		const json = requestBody?.content['application/json']
		if (json !== undefined) headers.set('content-type', 'application/json')
		return fetch(`${server.url}${filled}?${query}`, {
			method: method.toUpperCase(),
			headers,
			body: json === undefined ? null : JSON.stringify(json.example),
		})
	}

	/** What an answer has against the document; of a stream its beginning is looked at. */
	async function expectTrue(method: string, path: string, response: Response): Promise<void> {
		const type = response.headers.get('content-type')?.split(';')[0] ?? ''
		const told = at(method, path).responses[response.status]
		const isSuccess = response.status === 200 || response.status === 204
		const answer = { path, status: response.status, text: isSuccess ? '' : await response.text() }
		expect(answer).toEqual({ path, status: expect.any(Number), text: '' })
		expect(told).toBeDefined()
		if (type === 'text/event-stream') {
			const reader = response.body!.getReader()
			const { value } = await reader.read()
			expect(new TextDecoder().decode(value)).toMatch(/^(event: .*\n)?data: /)
			await reader.cancel()
			return
		}
		const text = await response.text()
		if (type !== 'application/json' || told?.content?.[type] === undefined) return
		const pointer = [path, method, 'responses', String(response.status), 'content', type, 'schema']
		const escaped = pointer.map((part) => part.replaceAll('~', '~0').replaceAll('/', '~1'))
		const check = ajv.compile({
			$ref: `document#/paths/${escaped.map(encodeURIComponent).join('/')}`,
		})
		expect({ path, isValid: check(JSON.parse(text)), errors: check.errors }).toMatchObject({
			path,
			isValid: true,
		})
	}

	test('of all operations are answered as the document says', async () => {
		await expectTrue('post', '/api/upload', await ask('post', '/api/upload'))
		const last = ['/api/upload', '/api/upload/chunk', '/api/upload/assemble']
		let count = 0
		for (const [path, operations] of Object.entries(document.paths)) {
			for (const method of Object.keys(operations)) {
				if (last.includes(path) || method === 'delete') continue
				await expectTrue(method, path, await ask(method, path))
				count++
			}
		}
		expect(count).toBeGreaterThan(30)
		await expectTrue('delete', '/api/models', await ask('delete', '/api/models'))
	})

	function uploadExample(): UploadExample {
		const content = at('post', '/api/upload').requestBody?.content ?? {}
		return content['application/json']?.example as UploadExample
	}

	/** The model of the example as later trainers write it. */
	function exampleBytes() {
		const { checkpoint } = uploadExample()
		const tensors = Object.entries(checkpoint.params).map(([name, each]) => ({ name, ...each }))
		return new Uint8Array(toBinaryForm({ ...checkpoint, step: 7, tensors }))
	}

	test('of pieces and of putting them together make a model', async () => {
		const bytes = Bun.gzipSync(exampleBytes())
		const half = Math.ceil(bytes.length / 2)
		const parameters = at('post', '/api/upload/chunk').parameters ?? []
		const headers = Object.fromEntries(
			parameters.map(({ name, example }) => [name, String(example)]),
		)
		for (const [index, piece] of [bytes.subarray(0, half), bytes.subarray(half)].entries()) {
			const response = await fetch(`${server.url}/api/upload/chunk`, {
				method: 'POST',
				headers: {
					authorization: `Bearer ${uploadSecret}`,
					...headers,
					'X-Chunk-Index': String(index),
				},
				body: piece,
			})
			await expectTrue('post', '/api/upload/chunk', response)
		}
		await expectTrue('post', '/api/upload/assemble', await ask('post', '/api/upload/assemble'))
	})

	test('of headers beside the bytes of a checkpoint make a model', async () => {
		const { parameters = [] } = at('post', '/api/upload')
		const described = parameters.filter(({ example }) => example !== undefined)
		const config = Buffer.from(JSON.stringify(uploadExample().config)).toString('base64')
		const response = await fetch(`${server.url}/api/upload`, {
			method: 'POST',
			headers: {
				authorization: `Bearer ${uploadSecret}`,
				'content-type': 'application/octet-stream',
				...Object.fromEntries(described.map(({ name, example }) => [name, String(example)])),
				'X-Checkpoint-Config': config,
			},
			body: exampleBytes(),
		})
		await expectTrue('post', '/api/upload', response)
	})
})
