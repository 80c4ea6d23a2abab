/** Restarts of one server of two behind a proxy, again and again, while clients ask without pause. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AlphaServer, startAlpha } from '../../helpers/alpha-server.ts'
import { eventually } from '../../helpers/eventually.ts'
import type { Goal } from './goal.ts'
import { type Asked, ask, completion } from './traffic.ts'

/** How to run a proxy: its configuration for a port of its own and two of servers. */
interface Proxy {
	readonly command: (path: string) => readonly string[]
	readonly config: (port: number, servers: readonly number[]) => string
}

const proxies: Readonly<Record<string, Proxy>> = {
	nginx: {
		command: (path) => ['nginx', '-c', path, '-p', tmpdir(), '-g', 'daemon off;'],
		config: (port, servers) => `
			pid ${join(tmpdir(), `nginx-${port}.pid`)};
			error_log /dev/null;
			events {}
			http {
				access_log off;
				upstream alpha { ${servers.map((each) => `server 127.0.0.1:${each} max_fails=0;`).join(' ')} }
				server {
					listen 127.0.0.1:${port};
					location / {
						proxy_pass http://alpha;
						proxy_http_version 1.1;
						proxy_set_header Connection "";
						proxy_buffering off;
						proxy_next_upstream error timeout http_503 non_idempotent;
					}
				}
			}`,
	},
	haproxy: {
		command: (path) => ['haproxy', '-f', path],
		config: (port, servers) => `
defaults
	mode http
	timeout connect 1s
	timeout client 60s
	timeout server 60s
	option redispatch
frontend front
	bind 127.0.0.1:${port}
	default_backend alpha
backend alpha
	option httpchk GET /readyz
	${servers.map((each) => `server s${each} 127.0.0.1:${each} check inter 200ms fall 1 rise 1`).join('\n\t')}
`,
	},
	caddy: {
		command: (path) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', path],
		config: (port, servers) => `
{
	admin off
	auto_https off
}
http://:${port} {
	bind 127.0.0.1
	reverse_proxy ${servers.map((each) => `127.0.0.1:${each}`).join(' ')} {
		lb_try_duration 2s
		health_uri /readyz
		health_interval 200ms
	}
}
`,
	},
}

/** Long enough for a proxy's looks at /readyz. */
const DRAIN_SECONDS = 1
const CLIENTS = 4
const TOKENS = 300

function start(port = 0): Promise<AlphaServer> {
	const args = [
		`--port=${port}`,
		`--drain-delay=${DRAIN_SECONDS}`,
		'--drain-seconds=10',
		'--threads=1',
	]
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
async function restart({ command, config }: Proxy, count: number) {
	const servers = [await start(), await start()]
	const port = freePort()
	const directory = mkdtempSync(join(tmpdir(), 'alpha-proxy-'))
	const path = join(directory, 'config')
	writeFileSync(
		path,
		config(
			port,
			servers.map((server) => server.port),
		),
	)
	const proxy = Bun.spawn([...command(path)], { stdout: 'ignore', stderr: 'ignore' })
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
	for (let i = 0; i < count; i++) {
		const old = servers[i % 2]!
		await old.stop()
		servers[i % 2] = await start(old.port)
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
