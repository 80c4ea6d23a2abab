/** A TCP connection on which a test writes and reads bytes itself. */
import { connect } from 'node:net'

/** A response as it came over the wire. */
export interface RawResponse {
	readonly status: number
	/** Names in lower case. */
	readonly headers: ReadonlyMap<string, string>
	/** The body without transfer coding. */
	readonly body: string
	/** Number of chunks of a chunked body; 0 of one with a Content-Length. */
	readonly chunks: number
}

export interface RawConnection extends Disposable {
	send(text: string): void
	/** Reads the next response to its end. Throws when the server closes before. */
	receive(): Promise<RawResponse>
	/** Resolves when the server has closed the connection. */
	readonly closed: Promise<void>
}

/** Opens a connection to a port of this machine. */
export async function openRawConnection(port: number): Promise<RawConnection> {
	const socket = connect(port, '127.0.0.1')
	const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
	const pieces = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
	let received = Buffer.alloc(0)

	/** Takes bytes from what was received, waiting for more where it needs them. */
	const take = async (length: number): Promise<string> => {
		while (received.length < length) {
			const { done, value } = await pieces.next()
			if (done) throw new Error(`connection closed after ${JSON.stringify(received.toString())}`)
			received = Buffer.concat([received, value])
		}
		const taken = received.subarray(0, length).toString()
		received = received.subarray(length)
		return taken
	}
	const takeThrough = async (delimiter: string): Promise<string> => {
		for (let end = -1; ; ) {
			end = received.indexOf(delimiter)
			if (end >= 0) return take(end + delimiter.length)
			const { done, value } = await pieces.next()
			if (done) throw new Error(`connection closed after ${JSON.stringify(received.toString())}`)
			received = Buffer.concat([received, value])
		}
	}
	const takeChunks = async (): Promise<string[]> => {
		const chunks: string[] = []
		for (;;) {
			const size = Number.parseInt(await takeThrough('\r\n'), 16)
			const chunk = await take(size)
			if ((await take(2)) !== '\r\n') throw new Error('chunk does not end where its size says')
			if (size === 0) return chunks
			chunks.push(chunk)
		}
	}

	return {
		closed,
		send: (text) => void socket.write(text),
		async receive() {
			const [statusLine = '', ...lines] = (await takeThrough('\r\n\r\n')).trimEnd().split('\r\n')
			const headers = new Map(
				lines.map((line) => {
					const colon = line.indexOf(':')
					return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
				}),
			)
			const status = Number(statusLine.split(' ')[1])
			if (headers.get('transfer-encoding') === 'chunked') {
				const chunks = await takeChunks()
				return { status, headers, body: chunks.join(''), chunks: chunks.length }
			}
			const body = await take(Number(headers.get('content-length') ?? 0))
			return { status, headers, body, chunks: 0 }
		},
		[Symbol.dispose]: () => void socket.destroy(),
	}
}
