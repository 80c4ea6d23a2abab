import type { CheckpointVersion } from './checkpoint-version.ts'
import type { Inspections } from './inspections.ts'
import { isSameList, type RunDirectory, type RunReader } from './run-directory.ts'
import { isUsable, judgeRun, type RunSummary, type UnservedRun } from './run-judgement.ts'
import type { RunLog } from './run-log.ts'

interface RunState {
	readonly reader: RunReader
	directory: RunDirectory
	summary: RunSummary | null
	unserved: UnservedRun | null
}

/**
 * What is known of each run, and the lists of all runs that are made of it. Reading costs nothing;
 * changes are seen in the lists when they are published.
 */
export class Picture {
	readonly #inspections: Inspections
	readonly #log: RunLog
	readonly #overwriteMsMax: number
	readonly #states = new Map<string, RunState>()
	readonly #listeners = new Set<() => void>()
	#runs: readonly RunSummary[] = []
	#unserved: readonly UnservedRun[] = []
	/** Some state is not in the lists yet. */
	#isDirty = false

	/** `overwriteMsMax` is how long a run stays in service while its served file is written over. */
	constructor(inspections: Inspections, log: RunLog, overwriteMsMax: number) {
		this.#inspections = inspections
		this.#log = log
		this.#overwriteMsMax = overwriteMsMax
	}

	/** Runs that can be served, newest checkpoint first, equal times by name. */
	get runs(): readonly RunSummary[] {
		return this.#runs
	}

	/** Runs that are damaged or incomplete, by name. */
	get unserved(): readonly UnservedRun[] {
		return this.#unserved
	}

	/** Names of all directories that are known. */
	get names(): readonly string[] {
		return [...this.#states.keys()]
	}

	find(name: string): RunSummary | undefined {
		return this.#states.get(name)?.summary ?? undefined
	}

	findUnserved(name: string): UnservedRun | undefined {
		return this.#states.get(name)?.unserved ?? undefined
	}

	/** The newest run with that run id in its config; a damaged one first, so that none stands in for it. */
	findByRunId(runId: string): { readonly name: string } | undefined {
		const damaged = this.#unserved.find(
			({ fault, config }) => fault.kind === 'damaged' && config?.runId === runId,
		)
		return damaged ?? this.#runs.find((run) => run.runId === runId)
	}

	/** Checkpoints of a run that can be loaded as far as anybody knows, by step. */
	checkpoints(name: string): readonly CheckpointVersion[] {
		const checkpoints = this.directoryOf(name)?.checkpoints ?? []
		return checkpoints.filter((each) => isUsable(each, this.#inspections.verdictOf(each)))
	}

	readerOf(name: string): RunReader | undefined {
		return this.#states.get(name)?.reader
	}

	/** What was seen in a run's directory at the last look. */
	directoryOf(name: string): RunDirectory | undefined {
		return this.#states.get(name)?.directory
	}

	/** Calls `listener` after each change of the lists; returns how to stop it. */
	onChange(listener: () => void): () => void {
		this.#listeners.add(listener)
		return () => this.#listeners.delete(listener)
	}

	/** Takes in what a look at a run's directory has shown. `isNews`: the log is told of new steps. */
	see(name: string, reader: RunReader, directory: RunDirectory, isNews: boolean): void {
		const known = this.#states.get(name)
		this.#forgetVersions(known, directory)
		const isSame = known?.directory === directory
		const state = known ?? { reader, directory, summary: null, unserved: null }
		state.directory = directory
		this.#states.set(name, state)
		// What is incomplete is judged by the time for which it has been so, too.
		const fault = state.summary?.fault ?? state.unserved?.fault
		if (!isSame || fault?.kind === 'incomplete') this.judge(name, isNews)
	}

	/** Takes in that a directory is gone, or was never there. */
	remove(name: string): void {
		this.#forgetVersions(this.#states.get(name), null)
		if (this.#states.delete(name)) this.#isDirty = true
		this.#log.removed(name)
	}

	/** Decides what a run serves. `isNews`: the log is told of new steps. */
	judge(name: string, isNews: boolean): void {
		const state = this.#states.get(name)
		if (state === undefined) return
		const judgement = judgeRun({
			directory: state.directory,
			previous: state.summary,
			verdictOf: (version) => this.#inspections.verdictOf(version),
			waitsForInspection: this.#inspections.isEnabled,
			overwriteMsMax: this.#overwriteMsMax,
		})
		this.#log.judged(name, judgement, isNews)
		const { summary, unserved } = judgement
		if (!Bun.deepEquals(summary, state.summary)) {
			state.summary = summary
			this.#isDirty = true
		}
		if (!Bun.deepEquals(unserved, state.unserved)) {
			state.unserved = unserved
			this.#isDirty = true
		}
	}

	/** Makes the lists of the current states, and tells who listens if they are other ones. */
	publish(): void {
		if (!this.#isDirty) return
		this.#isDirty = false
		const states = [...this.#states.values()]
		const runs = states.flatMap(({ summary }) => summary ?? [])
		runs.sort((a, b) => b.mtimeMs - a.mtimeMs || (a.name < b.name ? -1 : 1))
		const unserved = states.flatMap((state) => state.unserved ?? [])
		unserved.sort((a, b) => (a.name < b.name ? -1 : 1))
		const isSame = isSameList(runs, this.#runs) && isSameList(unserved, this.#unserved)
		if (isSame) return
		this.#runs = runs
		this.#unserved = unserved
		for (const listener of this.#listeners) listener()
	}

	/** Verdicts of versions that have gone are of no use. */
	#forgetVersions(known: RunState | undefined, directory: RunDirectory | null): void {
		const present = new Set(directory?.checkpoints.map(({ identity }) => identity))
		for (const version of known?.directory.checkpoints ?? []) {
			if (!present.has(version.identity)) this.#inspections.forget(version)
		}
	}
}
