/** What Bun's server has no words for: the sockets that it listens on, as the kernel knows them. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import {
	addWatch,
	isListeningSocket,
	replaceDescriptor,
	setSendBuffer,
	setWatch,
	type Watch,
} from '../../kernels/binding.ts'

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

/** Whether connections are accepted; those that come while they are not wait in the kernel. */
export interface Acceptance {
	pause(): void
	resume(): void
}

/**
 * The event loop's watch over the listening sockets. It is found out once, since looking takes
 * descriptors. Null where the system does not tell.
 */
export function findAcceptance(): Acceptance | null {
	const listening = new Set(descriptors().filter(isListeningSocket))
	const watches = descriptors().filter(isEpoll).flatMap(watchesOf)
	const ours = watches.filter(({ fd }) => listening.has(fd))
	if (ours.length === 0) return null
	return {
		pause() {
			for (const watch of ours) setWatch({ ...watch, events: 0 })
		},
		resume() {
			for (const watch of ours) setWatch(watch)
		},
	}
}

/** What `start` returns, and the socket that it made to listen on; null where the system does not tell. */
export function withListeningSocket<T>(start: () => T): { started: T; socket: number | null } {
	const before = new Set(descriptors().filter(isListeningSocket))
	const started = start()
	const [made] = descriptors().filter((fd) => isListeningSocket(fd) && !before.has(fd))
	return { started, socket: made ?? null }
}

/**
 * Puts another listening socket in the place of one that the event loop watches: the loop accepts
 * from it as if it had made it. False where the system does not let us, and then nothing has changed.
 */
export function takeOver(socket: number, other: number): boolean {
	const watch = descriptors()
		.filter(isEpoll)
		.flatMap(watchesOf)
		.find(({ fd }) => fd === socket)
	// The watch goes with the socket that it was for.
	return watch !== undefined && replaceDescriptor(socket, other) && addWatch(watch)
}

/** Open files of this process; none where /proc is missing. */
function descriptors(): number[] {
	try {
		return readdirSync('/proc/self/fd').map(Number)
	} catch {
		return []
	}
}

function isEpoll(fd: number): boolean {
	try {
		return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventpoll]'
	} catch {
		// It was the one with which the directory was read.
		return false
	}
}

/** What the kernel tells of an epoll descriptor: a line for each descriptor that it watches. */
function watchesOf(epollFd: number): Watch[] {
	const info = readFileSync(`/proc/self/fdinfo/${epollFd}`, 'utf8')
	const lines = info.matchAll(/^tfd:\s*(\d+)\s+events:\s*([\da-f]+)\s+data:\s*([\da-f]+)/gm)
	return [...lines].map(([, fd, events, data]) => ({
		epollFd,
		fd: Number(fd),
		events: Number.parseInt(events ?? '', 16),
		data: BigInt(`0x${data}`),
	}))
}
