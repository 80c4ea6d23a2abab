/*
 * What a run serves, decided from what is on disk and what reading its files has shown. No I/O.
 */
import type { CheckpointInfo } from '../load/checkpoint-info.ts'
import { type CheckpointVersion, weightsPathOf } from './checkpoint-version.ts'
import type { RunConfig } from './run-config.ts'
import type { RunDirectory } from './run-directory.ts'
import { joinFaults, type RunFault } from './run-fault.ts'

/** A run that can be served. */
export interface RunSummary extends RunConfig {
	readonly name: string
	/** Step that the bare name serves. */
	readonly step: number
	/** All steps that `name@step` can address, ascending. */
	readonly steps: readonly number[]
	/** Modification time of the served checkpoint file, epoch milliseconds with fraction. */
	readonly mtimeMs: number
	readonly lastLoss: number | null
	readonly served: CheckpointVersion
	/** What is known of the served checkpoint; null until it has been inspected. */
	readonly info: CheckpointInfo | null
	/** What is wrong with newer or other files of the run, or null. */
	readonly fault: RunFault | null
}

/** A run that cannot be served. */
export interface UnservedRun {
	readonly name: string
	readonly fault: RunFault
	/** Step of its newest checkpoint file, if it has one. */
	readonly step: number | null
	readonly mtimeMs: number
	readonly config: RunConfig | null
}

/** What reading a checkpoint file has shown. */
export type Verdict = { readonly info: CheckpointInfo } | { readonly fault: RunFault }

export interface RunEvidence {
	readonly directory: RunDirectory
	/** What the run served until now. */
	readonly previous: RunSummary | null
	readonly verdictOf: (version: CheckpointVersion) => Verdict | undefined
	/** A new checkpoint takes over only when it has been inspected. */
	readonly waitsForInspection: boolean
	/** How long a run stays in service while its file is written over, since the last byte. */
	readonly overwriteMsMax: number
}

/** Exactly one of `summary` and `unserved` is there. */
export interface Judgement {
	readonly summary: RunSummary | null
	readonly unserved: UnservedRun | null
	/** What needs repair; null for nothing. */
	readonly damage: RunFault | null
}

/** True for a checkpoint that can be loaded as far as anybody knows. */
export function isUsable(version: CheckpointVersion, verdict: Verdict | undefined): boolean {
	return faultOf(version, verdict) === null
}

/** What reading a file whole has shown goes before what its ends look like. */
function faultOf(version: CheckpointVersion, verdict: Verdict | undefined): RunFault | null {
	if (verdict === undefined) return version.fault
	return 'fault' in verdict ? verdict.fault : null
}

/** Decides what a run serves, or why it cannot be served. */
export function judgeRun(evidence: RunEvidence): Judgement {
	const { name, config, lastLoss, checkpoints } = evidence.directory
	const faults = findFaults(evidence)
	const fault = joinFaults(faults)
	const damage = joinFaults(faults.filter(({ kind }) => kind === 'damaged'))
	const usable = checkpoints.filter((version) => isUsable(version, evidence.verdictOf(version)))
	const served = beingOverwritten(evidence) ?? choose(evidence, usable)
	if (served === undefined || config === null || typeof config === 'string') {
		const newest = checkpoints.at(-1)
		const run: UnservedRun = {
			name,
			fault: fault ?? { kind: 'incomplete', reason: 'no checkpoint has arrived' },
			step: newest?.step ?? null,
			mtimeMs: newest?.mtimeMs ?? 0,
			config: typeof config === 'string' ? null : config,
		}
		return { summary: null, unserved: run, damage }
	}
	const steps = new Set([...usable.map(({ step }) => step), served.step])
	const info = infoOf(evidence, served)
	const summary: RunSummary = {
		...config,
		name,
		step: served.step,
		steps: [...steps].sort((a, b) => a - b),
		mtimeMs: served.mtimeMs,
		// A log beside the files knows more than what one of them tells.
		lastLoss: lastLoss ?? info?.loss ?? null,
		served,
		info,
		fault,
	}
	return { summary, unserved: null, damage }
}

function infoOf({ verdictOf, previous }: RunEvidence, served: CheckpointVersion) {
	const verdict = verdictOf(served)
	if (verdict !== undefined) return 'info' in verdict ? verdict.info : null
	return previous?.served.identity === served.identity ? previous.info : null
}

/**
 * The highest step; but one whose inside nobody has seen does not replace one that is served, until it
 * has been inspected.
 */
function choose(
	{ waitsForInspection, verdictOf, previous }: RunEvidence,
	usable: readonly CheckpointVersion[],
): CheckpointVersion | undefined {
	const highest = usable.at(-1)
	if (highest === undefined || !waitsForInspection || verdictOf(highest) !== undefined) {
		return highest
	}
	return usable.find(({ identity }) => identity === previous?.served.identity) ?? highest
}

/**
 * The served version while a copier writes over its file: its weights may be in memory, and the new
 * ones will be here in a moment. Loading it meanwhile fails as a file that changes.
 */
function beingOverwritten({
	directory,
	previous,
	overwriteMsMax,
}: RunEvidence): CheckpointVersion | undefined {
	if (previous === null) return undefined
	const place = weightsPathOf(previous.served)
	const now = directory.checkpoints.find((version) => weightsPathOf(version) === place)
	const isChanging =
		now?.fault?.kind === 'incomplete' &&
		(now.isBeingWritten || performance.now() - now.seenSince < overwriteMsMax)
	return isChanging ? previous.served : undefined
}

function findFaults({ directory, verdictOf }: RunEvidence): readonly RunFault[] {
	const faults: RunFault[] = []
	if (directory.config === null && directory.unreadable.length === 0) {
		faults.push({ kind: 'incomplete', reason: 'config.json has not arrived' })
	} else if (typeof directory.config === 'string') {
		faults.push({ kind: 'damaged', reason: directory.config })
	}
	for (const reason of directory.strangers) faults.push({ kind: 'damaged', reason })
	for (const reason of directory.unreadable) faults.push({ kind: 'incomplete', reason })
	for (const version of directory.checkpoints) {
		const fault = faultOf(version, verdictOf(version))
		if (fault !== null) {
			faults.push({ kind: fault.kind, reason: `step ${version.step}: ${fault.reason}` })
		}
	}
	return faults
}
