import { closeSync } from 'node:fs'
import { duplicateDescriptor, socketAddress } from '../../kernels/binding.ts'
import type { listen } from '../../server/listen.ts'
import type { Certificate } from './certificate.ts'
import { takeOver, withListeningSocket } from './listening-sockets.ts'

type Server = ReturnType<typeof listen>

export interface Address {
	readonly host: string
	/** 0 = any free port. */
	readonly port: number
}

export interface ListenerOptions {
	/** Starts to serve. Throws when the port cannot be had, or the certificate cannot be used. */
	readonly serve: (address: Address, certificate: Certificate | null) => Server
	readonly address: Address
	/** A socket that listens already and is listened on instead; null = none. */
	readonly inherited: number | null
	/** Null = without TLS. */
	readonly certificate: Certificate | null
}

/** Where a server that shall listen on another socket begins. */
const anywhere: Address = { host: '127.0.0.1', port: 0 }

/**
 * Servers on one socket, one after the other. Bun's server neither takes a socket that listens already nor
 * changes its certificate: so a server listens on a port of its own for a moment, and gets the socket in its place.
 * Nobody is refused meanwhile, since the socket has never been closed.
 */
export class Listener {
	readonly #options: ListenerOptions
	/** Servers with connections; the last one accepts. */
	#servers: Server[] = []
	/** Another descriptor of the socket; null where no other server will need it. */
	#socket: number | null = null
	/** Where it listens. */
	readonly address: Address

	/** Throws when it cannot listen. */
	constructor(options: ListenerOptions) {
		this.#options = options
		const { inherited, certificate, address, serve } = options
		if (inherited !== null) {
			this.#socket = inherited
			this.address = socketAddress(inherited) ?? address
			this.#startOn(inherited, certificate)
			return
		}
		const { started, socket } = withListeningSocket(() => serve(address, certificate))
		this.#servers.push(started)
		this.address = { ...address, port: started.port ?? address.port }
		if (certificate !== null && socket !== null) this.#socket = duplicateDescriptor(socket)
	}

	/** Serves new connections with another certificate. Throws when it cannot be used, and then nothing has changed. */
	replaceCertificate(certificate: Certificate): void {
		if (this.#socket === null) throw new Error('this system needs a restart for it')
		const outdated = this.#servers.at(-1)
		this.#startOn(this.#socket, certificate)
		void outdated?.stop().then(() => {
			this.#servers = this.#servers.filter((server) => server !== outdated)
		})
	}

	/** Accepts nothing more; resolves when the last connection has ended, which `isForced` does at once. */
	async stop(isForced = false): Promise<void> {
		const stopped = this.#servers.map((server) => server.stop(isForced))
		// A socket that was inherited goes on to listen for whoever comes next.
		if (this.#socket !== null && this.#options.inherited === null) closeSync(this.#socket)
		this.#socket = null
		await Promise.all(stopped)
	}

	#startOn(socket: number, certificate: Certificate | null): void {
		const start = () => this.#options.serve(anywhere, certificate)
		const { started, socket: own } = withListeningSocket(start)
		if (own === null || !takeOver(own, socket)) {
			void started.stop(true)
			throw new Error('this system does not let a server take over a socket')
		}
		this.#servers.push(started)
	}
}
