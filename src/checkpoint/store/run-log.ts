import type { Log } from '../../lib/log.ts'
import type { Judgement } from './run-judgement.ts'

/** Tells the log what happens to runs: one line for each change, however often they are looked at. */
export class RunLog {
	readonly #log: Log
	/** What the log has been told of each run. */
	readonly #told = new Map<string, { readonly step: number | null; readonly damage: string }>()
	#directoryProblem: string | null = null

	constructor(log: Log) {
		this.#log = log
	}

	/** `isNews` is false for the first look, which finds everything: damage alone is worth a line then. */
	judged(name: string, { summary, damage }: Judgement, isNews: boolean): void {
		const before = this.#told.get(name)
		const now = { step: summary?.step ?? null, damage: damage?.reason ?? '' }
		this.#told.set(name, now)
		if (now.damage !== (before?.damage ?? '')) {
			if (now.damage === '') this.#log('info', `run ${name} is whole again`)
			else this.#log('warn', `run ${name} is damaged: ${now.damage}`)
		}
		if (isNews && now.step !== null && now.step !== before?.step) {
			this.#log('info', `run ${name}: step ${now.step} is available`)
		}
	}

	/** It could not be looked at, and keeps its picture. */
	failed(name: string, reason: string): void {
		const before = this.#told.get(name)
		if (before?.damage === reason) return
		this.#told.set(name, { step: before?.step ?? null, damage: reason })
		this.#log('warn', `run ${name} could not be looked at: ${reason}`)
	}

	removed(name: string): void {
		if (this.#told.delete(name)) this.#log('info', `run ${name} was removed`)
	}

	/** `problem` says why the whole directory cannot be read, null that it can. */
	directory(path: string, problem: string | null): void {
		if (problem === this.#directoryProblem) return
		this.#directoryProblem = problem
		if (problem === null) this.#log('info', 'the checkpoints directory is readable again')
		else this.#log('warn', `the checkpoints directory ${path} ${problem}`)
	}
}
