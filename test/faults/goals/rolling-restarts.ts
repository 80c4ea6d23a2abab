/** Restarts of one server of three behind a proxy, again and again, while clients ask without pause. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AlphaServer, startAlpha } from '../../helpers/alpha-server.ts'
import { eventually } from '../../helpers/eventually.ts'
import type { Goal } from './goal.ts'
import { type Asked, ask, completion } from './traffic.ts'

/** How to run a proxy with the configuration that we give people, but for its ports. */
interface Proxy {
	readonly file: string
	readonly command: (path: string) => readonly string[]
	/** What stands around the file where it is installed. */
	readonly wrap?: (config: string, directory: string) => string
}

const proxies: Readonly<Record<string, Proxy>> = {
	nginx: {
		file: 'nginx.conf',
		command: (path) => ['nginx', '-c', path, '-p', tmpdir(), '-g', 'daemon off;'],
		wrap: (config, directory) =>
			`pid ${directory}/pid; error_log /dev/null; events {} http { access_log off; ${config} }`,
	},
	haproxy: { file: 'haproxy.cfg', command: (path) => ['haproxy', '-f', path] },
	caddy: {
		file: 'Caddyfile',
		command: (path) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', path],
		wrap: (config) => `{\n\tadmin off\n}\n${config}`,
	},
}

const configurations = join(import.meta.dir, '../../../deploy/proxies')
const FRONT_PORT = 8080
const REPLICA_PORTS = [3001, 3002, 3003]

/** The file with ports of this run. */
function configOf(
	{ file, wrap }: Proxy,
	front: number,
	replicas: readonly number[],
	directory: string,
) {
	let text = readFileSync(join(configurations, file), 'utf8')
	const ports = [FRONT_PORT, ...REPLICA_PORTS]
	for (const [i, to] of [front, ...replicas].entries()) {
		const from = `:${ports[i]}`
		if (!text.includes(from)) throw new Error(`expected ${from} in ${file}`)
		text = text.replaceAll(from, `:<${to}>`)
	}
	text = text.replace(/<(\d+)>/g, '$1')
	return wrap === undefined ? text : wrap(text, directory)
}

const CLIENTS = 4
const TOKENS = 300
/** Three looks of the slowest proxy, and some more. */
const LOOKS_MS = 2500

function start(port = 0): Promise<AlphaServer> {
	// As long as each proxy needs to see it: the default.
	const args = [`--port=${port}`, '--drain-seconds=10', '--threads=1']
	return startAlpha({ runs: ['v2-bpe-chat'], args })
}

function freePort(): number {
	using server = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
	return server.port
}

async function isListening(port: number): Promise<boolean> {
	const { promise, resolve } = Promise.withResolvers<boolean>()
	const socket = connect({ host: '127.0.0.1', port })
	socket.on('connect', () => resolve(true))
	socket.on('error', () => resolve(false))
	const is = await promise
	socket.destroy()
	return is
}

/** What is wrong with an answer; null when it is whole. */
function complaintAbout({ status, body }: Asked, isStreaming: boolean): string | null {
	const isWhole = isStreaming
		? body.endsWith('data: [DONE]\n\n') && !body.includes('"error"')
		: body.includes('"v2-bpe-chat"')
	if (status === 200 && isWhole) return null
	return `${isStreaming ? 'stream' : 'list'} ${status}: ${body.slice(0, 300)} … ${body.slice(-300)}`
}

/** What failed of how many requests, lists and streams, during so many restarts. */
async function restart(proxyKind: Proxy, count: number) {
	const servers = await Promise.all(REPLICA_PORTS.map(() => start()))
	const port = freePort()
	const directory = mkdtempSync(join(tmpdir(), 'alpha-proxy-'))
	const path = join(directory, 'config')
	const ports = servers.map((server) => server.port)
	writeFileSync(path, configOf(proxyKind, port, ports, directory))
	const proxy = Bun.spawn([...proxyKind.command(path)], { stdout: 'ignore', stderr: 'ignore' })
	await eventually(() => isListening(port), 10_000)
	const front = { ...servers[0]!, port }
	await eventually(
		async () => (await ask(front, { path: '/readyz' }).catch(() => null))?.status === 200,
		10_000,
	)
	let requests = 0
	const failures: string[] = []
	let isOver = false
	const client = async (isStreaming: boolean) => {
		while (!isOver) {
			const request = isStreaming ? completion(TOKENS, { stream: true }) : { path: '/v1/models' }
			const failure = await ask(front, request).then(
				(answer) => complaintAbout(answer, isStreaming),
				(error: unknown) => String(error),
			)
			requests++
			if (failure !== null) failures.push(failure)
			await Bun.sleep(5)
		}
	}
	const clients = Array.from({ length: CLIENTS }, (_, i) => client(i % 2 === 0))
	// A server knows who watches it after three looks.
	await Bun.sleep(LOOKS_MS)
	for (let i = 0; i < count; i++) {
		const old = servers[i % servers.length]!
		await old.stop()
		servers[i % servers.length] = await start(old.port)
		// Until the proxy has seen it.
		await Bun.sleep(500)
	}
	isOver = true
	await Promise.all(clients)
	proxy.kill('SIGTERM')
	await proxy.exited
	for (const server of servers) await server.stop()
	rmSync(directory, { recursive: true })
	return { requests, failures }
}

/** What failed during so many restarts behind one of the proxies. */
export function restartsBehind(name: string, count: number) {
	const proxy = proxies[name]
	if (proxy === undefined) throw new Error(`expected a proxy that is known, got ${name}`)
	return restart(proxy, count)
}

/** True where one of the proxies is installed. */
export function hasProxy(): boolean {
	return Object.keys(proxies).some((name) => Bun.which(name) !== null)
}

export const rollingRestarts: Goal = {
	id: 'G12',
	goal: 'rolling restarts behind nginx, HAProxy and Caddy: no failed request, no cut stream',
	async measure(scale) {
		if (!hasProxy()) return null
		const found = Object.keys(proxies).filter((name) => Bun.which(name) !== null)
		const count = Math.max(2, Math.round(100 * scale))
		let isMet = true
		const figureOf = async (name: string) => {
			const { requests, failures } = await restartsBehind(name, count)
			if (failures.length > 0) isMet = false
			const first = failures[0] === undefined ? '' : ` (${failures[0].slice(0, 200)})`
			return `${name}: ${count} restarts, ${failures.length} of ${requests} failed${first}`
		}
		const figures = await Promise.all(found.map(figureOf))
		return { measured: figures.join('; '), isMet }
	},
}
