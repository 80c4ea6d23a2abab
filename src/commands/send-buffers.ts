import { readdirSync } from 'node:fs'
import { isListeningSocket, setSendBuffer } from '../kernels/binding.ts'

/**
 * What the kernel keeps of an answer that nobody reads, per connection, in bytes. It else grows to
 * megabytes, behind which a stream looks as if it were read. Enough for 1 MB a second over 100 ms.
 */
const SEND_BUFFER_BYTES = 128 * 1024

/**
 * Bounds the send buffers of all connections that this process will accept; to be called when it
 * listens. False where the system does not let us.
 */
export function boundSendBuffers(): boolean {
	return descriptors()
		.filter(isListeningSocket)
		.some((fd) => setSendBuffer(fd, SEND_BUFFER_BYTES))
}

/** Open files of this process; none where /proc is missing. */
function descriptors(): number[] {
	try {
		return readdirSync('/proc/self/fd').map(Number)
	} catch {
		return []
	}
}
