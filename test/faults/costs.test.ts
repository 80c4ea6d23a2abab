/** No field of a request is without its row in the table of costs, and some of the heaviest are tried. */
import { expect, test } from 'bun:test'
import { startAlpha } from '../helpers/alpha-server.ts'
import { testApp } from '../helpers/test-app.ts'
import { costOfField, costOfQuery, queryParameters } from './costs/costs.ts'
import { heaviest, heaviestQueries, plain } from './costs/heaviest.ts'

interface Schema {
	readonly $ref?: string
	readonly const?: unknown
	readonly type?: string | readonly string[]
	readonly enum?: readonly unknown[]
	readonly anyOf?: readonly Schema[]
	readonly properties?: Readonly<Record<string, Schema>>
}

interface Operation {
	readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

/** Numbers, flags and words of a list cost nothing by themselves. */
function isSmall(schema: Schema): boolean {
	if (schema.anyOf !== undefined) return schema.anyOf.every(isSmall)
	const types = [schema.type ?? 'string'].flat()
	const isScalar = types.every((type) => ['integer', 'number', 'boolean', 'null'].includes(type))
	return isScalar || schema.enum !== undefined || schema.const !== undefined
}

/** Fields of the bodies of the document, by path. */
async function documentedFields(): Promise<Record<string, string[]>> {
	const document = await (await testApp().get('/swagger/json')).json()
	const paths = document.paths as Record<string, Record<string, Operation>>
	const fields: Record<string, string[]> = {}
	for (const [path, operations] of Object.entries(paths)) {
		for (const { requestBody } of Object.values(operations)) {
			const schema = requestBody?.content['application/json']?.schema
			const name = schema?.$ref?.split('/').at(-1) ?? ''
			const { properties } = document.components.schemas[name] ?? schema ?? {}
			if (properties === undefined) continue
			fields[path] = Object.keys(properties).filter((name) => !isSmall(properties[name] ?? {}))
		}
	}
	return fields
}

test('every field of every body that may be large has a row', async () => {
	const missing: string[] = []
	for (const [path, fields] of Object.entries(await documentedFields())) {
		for (const field of fields) {
			if (heaviest[path]?.[field] === undefined) missing.push(`${path} ${field}`)
		}
	}
	expect(missing).toEqual([])
})

test('there are rows for documented bodies only', async () => {
	const documented = Object.keys(await documentedFields())
	expect(Object.keys(heaviest).sort()).toEqual(documented.sort())
	expect(Object.keys(plain).sort()).toEqual(Object.keys(heaviest).sort())
})

/** What was costly once. The bounds are generous: the figures are those of `bun test/faults/costs/costs.ts`. */
test.each([
	['/v1/completions', 'echo'],
	['/v1/completions', 'return_token_ids'],
	['/v1/chat/completions', 'response_format'],
	['/v1/chat/completions', 'grammar'],
	['/v1/tokenize', 'content'],
])(
	'the heaviest values of %s %s take little memory and let others in',
	async (path, field) => {
		await using server = await startAlpha({ runs: ['v2-bpe-chat'], args: ['--threads=1'] })
		const { extraBytes, heldMs, statuses } = await costOfField(server, path, field)
		expect(extraBytes).toBeLessThan(128 * 2 ** 20)
		expect(heldMs).toBeLessThan(200)
		for (const status of statuses) expect([200, 400]).toContain(status)
	},
	60_000,
)

test('no text of any parameter of a query is more than a bad request', async () => {
	await using server = await startAlpha({ runs: ['v2-bpe-chat'], args: ['--threads=1'] })
	const document = await (await fetch(`${server.url}/openapi.json`)).json()
	const parameters = queryParameters(document)
	expect(parameters.length).toBeGreaterThan(40)
	for (const parameter of parameters) {
		for (const [kind, values] of Object.entries(heaviestQueries)) {
			const { status, heldMs } = await costOfQuery(server, parameter, values)
			const isAnswered = [200, 400, 401, 404].includes(status) && heldMs < 200
			if (!isAnswered) throw new Error(`${kind} for ${JSON.stringify(parameter)}: ${status}`)
		}
	}
}, 60_000)
