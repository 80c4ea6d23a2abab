import type { Socket, TCPSocketListener } from 'bun'
import { SerialQueue } from '../../src/lib/serial-queue.ts'

/** What happens to a connection: all goes well, or it breaks before the request or before the answer. */
export type Fate = 'pass' | 'lose request' | 'lose answer'

interface Tunnel {
	readonly fate: Fate
	readonly server: Promise<Socket<unknown> | null>
	/** Bytes leave in the order of their arrival. */
	readonly requests: SerialQueue
}

/**
 * A line to a server that breaks as it is told, connection by connection. The server may move to another
 * port meanwhile.
 */
export class FlakyProxy implements Disposable {
	serverPort: number
	/** Fate of the next connection. */
	nextFate: () => Fate = () => 'pass'
	readonly #listener: TCPSocketListener<Tunnel>

	constructor(serverPort: number) {
		this.serverPort = serverPort
		this.#listener = Bun.listen<Tunnel>({
			hostname: '127.0.0.1',
			port: 0,
			socket: {
				open: (client) => {
					const fate = this.nextFate()
					const server = this.#connect(client, fate).catch(() => null)
					client.data = { fate, server, requests: new SerialQueue() }
				},
				data: (client, bytes) => {
					const { fate, server, requests } = client.data
					const part = Buffer.from(bytes)
					void requests.run(async () => {
						const there = fate === 'lose request' ? null : await server
						if (there === null) client.end()
						else await writeAll(there, part)
					})
				},
				close: async (client) => {
					const server = await client.data.server
					server?.end()
				},
			},
		})
	}

	get url(): string {
		return `http://127.0.0.1:${this.#listener.port}`
	}

	[Symbol.dispose](): void {
		this.#listener.stop(true)
	}

	#connect(client: Socket<Tunnel>, fate: Fate): Promise<Socket<unknown>> {
		const answers = new SerialQueue()
		return Bun.connect({
			hostname: '127.0.0.1',
			port: this.serverPort,
			socket: {
				data: (_server, bytes) => {
					const part = Buffer.from(bytes)
					if (fate === 'lose answer') client.end()
					else void answers.run(() => writeAll(client, part))
				},
				close: () => void client.end(),
				error: () => void client.end(),
			},
		})
	}
}

/** Sockets take what they can; what is left is offered again. */
async function writeAll(socket: Pick<Socket<unknown>, 'write'>, bytes: Buffer): Promise<void> {
	for (let done = 0; done < bytes.length; ) {
		const written = socket.write(bytes.subarray(done))
		if (written < 0) return
		done += written
		if (written === 0) await Bun.sleep(1)
	}
}
