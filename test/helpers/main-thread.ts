import { connect } from 'node:net'
import { mainThreadMs } from './processor-time.ts'

/** A server process and its port on loopback. */
export interface WatchedServer {
	readonly pid: number
	readonly port: number
}

export interface Waits {
	/** Longest time that somebody waited for an answer to /health, milliseconds. */
	readonly waitedMs: number
	/** Most processor time of the main thread during one such wait, milliseconds. */
	readonly heldMs: number
}

/** Asks for /health over one connection, again and again. */
export function watchMainThread(server: WatchedServer) {
	const request = 'GET /health HTTP/1.1\r\nHost: test.example\r\n\r\n'
	const socket = connect({ host: '127.0.0.1', port: server.port, localAddress: '127.0.0.2' })
	const started = Promise.withResolvers<void>()
	let waitedMs = 0
	let heldMs = 0
	let askedAt = 0
	let usedThen = 0
	let isOver = false
	const ask = () => {
		usedThen = mainThreadMs(server.pid)
		askedAt = performance.now()
		socket.write(request)
	}
	socket.on('connect', ask)
	socket.on('data', () => {
		waitedMs = Math.max(waitedMs, performance.now() - askedAt)
		heldMs = Math.max(heldMs, mainThreadMs(server.pid) - usedThen)
		started.resolve()
		if (isOver) socket.destroy()
		else setTimeout(ask, 2)
	})
	const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()))
	return {
		/** The first answer has come. */
		started: started.promise,
		async stop(): Promise<Waits> {
			isOver = true
			await closed
			return { waitedMs, heldMs }
		},
	}
}
