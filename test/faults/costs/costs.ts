/**
 * What fields of requests cost: `bun test/faults/costs/costs.ts [part of a path or field]` sends the heaviest
 * values of each to the executable, one after another, and prints the most memory above the body and the
 * longest piece of work of the main thread.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { type AlphaServer, startAlpha, uploadSecret } from '../../helpers/alpha-server.ts'
import { watchMainThread } from '../../helpers/main-thread.ts'
import { heaviest, heaviestQueries, plain } from './heaviest.ts'

const MIB = 2 ** 20

export interface Cost {
	readonly status: number
	readonly bodyBytes: number
	/** Most memory above what was there before, and above the body. */
	readonly extraBytes: number
	/** Most processor time of the main thread while somebody waited for /health, in milliseconds. */
	readonly heldMs: number
}

/** Sends one body and watches the server meanwhile. */
export function costOf(server: AlphaServer, path: string, request: object): Promise<Cost> {
	return costOfRequest(server, path, { method: 'POST', body: JSON.stringify(request) })
}

/** The same of a parameter of a query with these values. */
export function costOfQuery(
	server: AlphaServer,
	{ method, path, name }: QueryParameter,
	values: readonly string[],
): Promise<Cost> {
	const query = values.map((value) => `${name}=${value}`).join('&')
	return costOfRequest(server, `${path.replace('{id}', 'v2-bpe-chat')}?${query}`, {
		method,
		body: null,
	})
}

/** A documented parameter of a query. */
export interface QueryParameter {
	readonly method: string
	readonly path: string
	readonly name: string
}

async function costOfRequest(
	server: AlphaServer,
	path: string,
	{ method, body }: { method: string; body: string | null },
): Promise<Cost> {
	const before = memory(server, 'VmRSS')
	// From here on the kernel counts the most memory anew.
	writeFileSync(`/proc/${server.pid}/clear_refs`, '5')
	const watch = watchMainThread(server)
	await watch.started
	const headers = {
		'content-type': 'application/json',
		authorization: `Bearer ${uploadSecret}`,
	}
	const response = await fetch(`${server.url}${path}`, { method, headers, body })
	// A stream of news has no end.
	if (path.startsWith('/api/training/live')) await response.body?.cancel()
	else await response.arrayBuffer()
	const { heldMs } = await watch.stop()
	const bodyBytes = Buffer.byteLength(body ?? '')
	const extraBytes = memory(server, 'VmHWM') - before - bodyBytes
	return { status: response.status, bodyBytes, extraBytes, heldMs }
}

/** All bodies of a field. */
export function* bodiesOf(path: string, field: string): Generator<object> {
	const { values = [], requests = [] } = heaviest[path]?.[field] ?? {}
	for (const value of values) yield { ...plain[path], [field]: value }
	for (const request of requests) yield { ...plain[path], ...request }
}

/** The costliest body of a field, each figure by itself. */
export async function costOfField(server: AlphaServer, path: string, field: string) {
	const costs: Cost[] = []
	for (const body of bodiesOf(path, field)) costs.push(await costOf(server, path, body))
	return mostOf(costs)
}

function memory({ pid }: AlphaServer, field: 'VmRSS' | 'VmHWM'): number {
	const status = readFileSync(`/proc/${pid}/status`, 'utf8')
	return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1024
}

interface Operation {
	readonly parameters?: readonly { readonly in: string; readonly name: string }[]
}

/** All parameters of queries that a document has. */
export function queryParameters(document: {
	readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}): QueryParameter[] {
	return Object.entries(document.paths).flatMap(([path, operations]) =>
		Object.entries(operations).flatMap(([method, { parameters = [] }]) =>
			parameters
				.filter((parameter) => parameter.in === 'query')
				.map(({ name }) => ({ method: method.toUpperCase(), path, name })),
		),
	)
}

/** What a field or parameter costs at most, each figure by itself. */
interface FieldCost {
	readonly name: string
	readonly count: number
	readonly statuses: readonly number[]
	readonly extraBytes: number
	readonly heldMs: number
}

/** The costs of all fields and parameters whose names contain a text, one after another on one server. */
export async function* costsOfAll(wanted = ''): AsyncGenerator<FieldCost> {
	await using server = await startAlpha({ runs: ['v2-bpe-chat'], args: ['--threads=1'] })
	for (const path of Object.keys(heaviest)) await costOf(server, path, plain[path] ?? {})
	for (const [path, fields] of Object.entries(heaviest)) {
		for (const field of Object.keys(fields)) {
			const name = `${path} ${field}`
			if (name.includes(wanted)) yield { name, ...(await costOfField(server, path, field)) }
		}
	}
	const document = await (await fetch(`${server.url}/openapi.json`)).json()
	for (const parameter of queryParameters(document)) {
		const name = `${parameter.path} ?${parameter.name}`
		if (!name.includes(wanted)) continue
		const costs = []
		for (const values of Object.values(heaviestQueries)) {
			costs.push(await costOfQuery(server, parameter, values))
		}
		yield { name, ...mostOf(costs) }
	}
}

function mostOf(costs: readonly Cost[]): Omit<FieldCost, 'name'> {
	return {
		count: costs.length,
		statuses: [...new Set(costs.map(({ status }) => status))].sort(),
		extraBytes: Math.max(0, ...costs.map(({ extraBytes }) => extraBytes)),
		heldMs: Math.max(0, ...costs.map(({ heldMs }) => heldMs)),
	}
}

if (import.meta.main) {
	console.log(
		'| field | bodies | answers | memory above the body | main thread |\n|---|---|---|---|---|',
	)
	for await (const { name, count, statuses, extraBytes, heldMs } of costsOfAll(process.argv[2])) {
		const figures = `${(extraBytes / MIB).toFixed(0)} MB | ${heldMs.toFixed(0)} ms`
		console.log(`| ${name} | ${count} | ${statuses.join(' ')} | ${figures} |`)
	}
	process.exit(0)
}
