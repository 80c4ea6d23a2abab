/** nginx, HAProxy and Caddy as processes, with the configurations that we give people but for their ports. */

import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/free-port.ts'
import { tempDir } from '../helpers/temp-dir.ts'

export type ProxyName = 'nginx' | 'haproxy' | 'caddy'

export const proxyNames: readonly ProxyName[] = ['nginx', 'haproxy', 'caddy']

/** A running proxy. */
export interface Proxy extends AsyncDisposable {
	readonly port: number
}

interface ProxyKind {
	readonly file: string
	/** What stands in the file for each replica. */
	readonly replica: RegExp
	readonly command: (path: string) => readonly string[]
	/** What stands around the file where it is installed. */
	readonly wrap?: (config: string, directory: string) => string
}

const kinds: Readonly<Record<ProxyName, ProxyKind>> = {
	nginx: {
		file: 'nginx.conf',
		replica: /^\tserver \S+:300\d.*\n/gm,
		command: (path) => ['nginx', '-c', path, '-p', tmpdir(), '-g', 'daemon off;'],
		wrap: (config, directory) =>
			`worker_processes auto; pid ${directory}/pid; error_log /dev/null; events {} ` +
			`http { access_log off; ${config} }`,
	},
	haproxy: {
		file: 'haproxy.cfg',
		replica: /^\tserver \w+ \S+:300\d.*\n/gm,
		command: (path) => ['haproxy', '-f', path],
	},
	caddy: {
		file: 'Caddyfile',
		replica: / \S+:300\d/g,
		command: (path) => ['caddy', 'run', '--adapter', 'caddyfile', '--config', path],
		wrap: (config) => `{\n\tadmin off\n}\n${config}`,
	},
}

const configurations = join(import.meta.dir, '../../deploy/proxies')
const FRONT = ':8080'

/** '' where the proxy is installed, else what stands behind the name of tests that need it. */
export function missingNote(name: ProxyName): string {
	return Bun.which(name) === null ? ` (skipped: ${name} is not installed)` : ''
}

/** The file with other ports, and with as many replicas as are given. */
function configOf(
	{ file, replica, wrap }: ProxyKind,
	port: number,
	replicas: readonly number[],
	directory: string,
) {
	const text = readFileSync(join(configurations, file), 'utf8')
	const [first] = text.match(replica) ?? []
	if (first === undefined || !text.includes(FRONT)) {
		throw new Error(`expected ${FRONT} and replicas in ${file}`)
	}
	const all = replicas.map((each, i) => {
		return first.replace(/:300\d/, `:${each}`).replace(/^\tserver a /, `\tserver replica-${i} `)
	})
	let isFirst = true
	const config = text.replace(replica, () => {
		const put = isFirst ? all.join('') : ''
		isFirst = false
		return put
	})
	const moved = config.replace(FRONT, `:${port}`)
	return wrap === undefined ? moved : wrap(moved, directory)
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

/** Starts a proxy in front of the servers on these ports; resolves when it passes requests on. */
export async function startProxy(name: ProxyName, replicas: readonly number[]): Promise<Proxy> {
	const kind = kinds[name]
	const directory = tempDir()
	const port = freePort()
	const path = join(directory.path, 'config')
	writeFileSync(path, configOf(kind, port, replicas, directory.path))
	const child = Bun.spawn([...kind.command(path)], {
		stdin: 'ignore',
		stdout: 'ignore',
		stderr: 'ignore',
	})
	const stop = async () => {
		child.kill('SIGTERM')
		await child.exited
		directory[Symbol.dispose]()
	}
	try {
		await eventually(() => isListening(port), 10_000)
		const url = `http://127.0.0.1:${port}/readyz`
		await eventually(async () => (await fetch(url).catch(() => null))?.status === 200, 10_000)
	} catch (error) {
		await stop()
		throw error
	}
	return { port, [Symbol.asyncDispose]: stop }
}
