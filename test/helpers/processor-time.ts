/** Processor time of a process so far, in milliseconds. */
import { readdirSync, readFileSync } from 'node:fs'

/** Of /proc, on every Linux that we run on. */
const TICK_MS = 10

/** Of all threads, those that have ended included; to 10 ms. */
export function processorMs(pid: number): number {
	const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
	// The name of the program stands in brackets and may hold blanks.
	const [user, system] = stat
		.slice(stat.lastIndexOf(')') + 2)
		.split(' ')
		.slice(11, 13)
	return (Number(user) + Number(system)) * TICK_MS
}

/** Of the threads that run, to nanoseconds. */
export function threadsMs(pid: number): number {
	const threads = readdirSync(`/proc/${pid}/task`)
	return threads.reduce((sum, thread) => sum + threadMs(pid, thread), 0)
}

/** Of the main thread, which no other process of a busy machine adds to. */
export function mainThreadMs(pid: number): number {
	return threadMs(pid, pid)
}

function threadMs(pid: number, thread: number | string): number {
	const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
	return Number(nanoseconds) / 1e6
}
