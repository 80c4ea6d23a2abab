/** What a supervisor (systemd) hands over and wants to hear, by the variables that it sets. */
import { sendDatagram, setNonBlocking, socketAddress } from '../../kernels/binding.ts'
import { CommandError, exitStatus } from '../command.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** Descriptors that are handed over begin behind standard error. */
const FIRST_SOCKET = 3

/**
 * The socket that the supervisor listens on for us; null when there is none. Throws CommandError for
 * what we cannot serve on.
 */
export function inheritedSocket(env: Environment, pid: number): number | null {
	const count = Number(env['LISTEN_FDS'] ?? 0)
	// Variables are inherited further than descriptors: they say whom they are for.
	if (count === 0 || Number(env['LISTEN_PID']) !== pid) return null
	if (count !== 1) {
		const problem = `LISTEN_FDS: expected one socket, got ${count}`
		throw new CommandError(exitStatus.unfit, problem)
	}
	if (socketAddress(FIRST_SOCKET) === null) {
		const problem = 'LISTEN_FDS: expected a socket of an address and a port'
		throw new CommandError(exitStatus.unfit, problem)
	}
	// Whoever made it may have left it waiting for connections, which would hold the thread.
	setNonBlocking(FIRST_SOCKET)
	return FIRST_SOCKET
}

/** Tells the supervisor how we are; nobody listens where it does not want to know. */
export class Supervisor implements Disposable {
	readonly #tell: (text: string) => void
	readonly #timer: Timer | null = null

	/** `send` gets the path of a datagram socket and what to say. */
	constructor(
		env: Environment,
		pid: number,
		send: (path: string, text: string) => unknown = sendDatagram,
	) {
		const path = env['NOTIFY_SOCKET'] ?? ''
		this.#tell = path === '' ? () => {} : (text) => send(path, text)
		const watchdogMs = Number(env['WATCHDOG_USEC'] ?? 0) / 1000
		if (!(watchdogMs > 0) || Number(env['WATCHDOG_PID'] ?? pid) !== pid) return
		// As long as this thread turns; the engine's has a watchdog of its own, which ends the process.
		this.#timer = setInterval(() => this.#tell('WATCHDOG=1'), watchdogMs / 2)
		this.#timer.unref()
	}

	/** Requests are answered. */
	ready(status: string): void {
		this.#tell(`READY=1\nSTATUS=${status}`)
	}

	/** What runs is being finished. */
	stopping(): void {
		this.#tell('STOPPING=1\nSTATUS=running streams finish')
	}

	[Symbol.dispose](): void {
		if (this.#timer !== null) clearInterval(this.#timer)
	}
}
