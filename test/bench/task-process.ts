/** A process of its own that performs one task after another over its IPC channel. */
import { join } from 'node:path'

type Answer<Result> = { readonly result: Result } | { readonly error: string }

/** Our end: starts a script of this directory, which must call `serveTasks`. */
export class TaskProcess<Task, Result> implements Disposable {
	readonly #child: Bun.Subprocess
	#answer: PromiseWithResolvers<Result> = Promise.withResolvers()

	constructor(script: string) {
		this.#child = Bun.spawn([process.execPath, join(import.meta.dir, script)], {
			stdio: ['ignore', 'ignore', 'inherit'],
			ipc: (answer: Answer<Result>) => {
				if ('error' in answer) this.#answer.reject(new Error(answer.error))
				else this.#answer.resolve(answer.result)
			},
			onExit: () => this.#answer.reject(new Error(`the process of ${script} ended`)),
		})
	}

	/** One task at a time. */
	run(task: Task): Promise<Result> {
		this.#answer = Promise.withResolvers()
		this.#child.send(task)
		return this.#answer.promise
	}

	[Symbol.dispose](): void {
		// Nobody waits for what was under way any more.
		this.#answer.promise.catch(() => {})
		this.#child.kill()
	}
}

/** The other end. */
export function serveTasks<Task, Result>(perform: (task: Task) => Promise<Result>): void {
	process.on('disconnect', () => process.exit())
	process.on('message', async (task: Task) => {
		const answer: Answer<Result> = await perform(task).then(
			(result) => ({ result }),
			(error: unknown) => ({ error: String(error) }),
		)
		process.send?.(answer)
	})
}
