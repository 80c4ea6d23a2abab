import { expect, test } from 'bun:test'
import { boundSendBuffers } from '../../../src/commands/serving/listening-sockets.ts'

/** Bytes of the first answer to a client that reads none of them. */
async function unreadBytes(bound: boolean): Promise<number> {
	const accepted = Promise.withResolvers<number>()
	const piece = new Uint8Array(64 * 1024)
	using server = Bun.listen({
		hostname: '127.0.0.1',
		port: 0,
		socket: {
			open(socket) {
				let bytes = 0
				for (let taken = piece.length; taken === piece.length; bytes += taken) {
					taken = socket.write(piece)
				}
				accepted.resolve(bytes)
				socket.terminate()
			},
			data() {},
		},
	})
	if (bound) expect(boundSendBuffers()).toBe(true)
	const socket = { data() {} }
	const client = await Bun.connect({ hostname: '127.0.0.1', port: server.port, socket })
	const bytes = await accepted.promise
	client.terminate()
	return bytes
}

test('the kernel holds little of what nobody reads', async () => {
	expect(await unreadBytes(true)).toBeLessThan(1024 * 1024)
	expect(await unreadBytes(false)).toBeGreaterThan(1024 * 1024)
})
