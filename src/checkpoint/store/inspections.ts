import { isFault } from '../../lib/fault.ts'
import { SerialQueue } from '../../lib/serial-queue.ts'
import type { CheckpointInfo } from '../load/checkpoint-info.ts'
import type { CheckpointVersion } from './checkpoint-version.ts'
import type { InspectionIndex } from './inspection-index.ts'
import type { Verdict } from './run-judgement.ts'

/**
 * Verifies a checkpoint's structure. Rejects with Fault `invalid` when the file is damaged; after other
 * rejections it is asked again.
 */
export type Inspect = (version: CheckpointVersion) => Promise<CheckpointInfo>

/** Verdicts are gathered for this long before they are written down. */
const SAVE_MS = 5000

/**
 * What the insides of checkpoint files have shown. Each state of a file is looked into once, in the
 * background, one file at a time.
 */
export class Inspections {
	readonly #inspect: Inspect | undefined
	readonly #index: InspectionIndex | undefined
	/** What an earlier process has found out, by identity. */
	#remembered: ReadonlyMap<string, Verdict> = new Map()
	#saving: Timer | null = null
	/** By identity. */
	readonly #verdicts = new Map<string, Verdict>()
	readonly #queue = new SerialQueue()
	readonly #waiting = new Set<string>()

	/** Without `inspect` files are taken at their word until somebody has loaded them. */
	constructor(inspect: Inspect | undefined, index: InspectionIndex | undefined) {
		this.#inspect = inspect
		this.#index = index
	}

	/** Remembers what an earlier process has found out; to be called before the first request. */
	async remember(): Promise<void> {
		if (this.#index !== undefined) this.#remembered = await this.#index.load()
	}

	close(): void {
		if (this.#saving !== null) clearTimeout(this.#saving)
	}

	get isEnabled(): boolean {
		return this.#inspect !== undefined
	}

	verdictOf({ identity }: Pick<CheckpointVersion, 'identity'>): Verdict | undefined {
		return this.#verdicts.get(identity)
	}

	/** Notes what loading or verifying a file has shown. */
	note({ identity }: Pick<CheckpointVersion, 'identity'>, verdict: Verdict): void {
		this.#verdicts.set(identity, verdict)
		this.#saveLater()
	}

	forget({ identity }: CheckpointVersion): void {
		this.#verdicts.delete(identity)
	}

	/** Has a file looked into unless that has happened; calls `onVerdict` when it has. */
	request(version: CheckpointVersion, onVerdict: () => void): void {
		const inspect = this.#inspect
		const { identity } = version
		if (inspect === undefined || this.#verdicts.has(identity) || this.#waiting.has(identity)) {
			return
		}
		const remembered = this.#remembered.get(identity)
		if (remembered !== undefined) {
			this.#verdicts.set(identity, remembered)
			onVerdict()
			return
		}
		this.#waiting.add(identity)
		void this.#queue.run(async () => {
			const verdict = await judge(() => inspect(version))
			this.#waiting.delete(identity)
			if (verdict === undefined) return
			this.#verdicts.set(identity, verdict)
			this.#saveLater()
			onVerdict()
		})
	}

	#saveLater(): void {
		if (this.#index === undefined) return
		this.#saving ??= setTimeout(() => {
			this.#saving = null
			void this.#index?.save(this.#verdicts)
		}, SAVE_MS)
		this.#saving.unref()
	}

	/** Resolves when nothing waits any more. */
	async idle(): Promise<void> {
		do await this.#queue.idle()
		while (this.#waiting.size > 0)
	}
}

/** Undefined where the moment is to blame and not the file. */
async function judge(inspect: () => Promise<CheckpointInfo>): Promise<Verdict | undefined> {
	try {
		return { info: await inspect() }
	} catch (error) {
		if (!isFault(error, 'invalid')) return undefined
		return { fault: { kind: 'damaged', reason: error.message } }
	}
}
