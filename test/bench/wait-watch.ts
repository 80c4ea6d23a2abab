/** Watches a server's main thread from a connection and a process of its own, for as long as it is told. */
import { type Waits, type WatchedServer, watchMainThread } from '../helpers/main-thread.ts'
import { serveTasks } from './task-process.ts'

export interface WatchTask extends WatchedServer {
	readonly seconds: number
}

serveTasks(async ({ seconds, ...server }: WatchTask): Promise<Waits> => {
	const watch = watchMainThread(server)
	await watch.started
	await Bun.sleep(seconds * 1000)
	return watch.stop()
})
