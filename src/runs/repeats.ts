/** Lines of a report that were sent before, as trainers do whose answer was lost. */
import type { Entry } from './entries.ts'
import type { LineFile } from './line-file.ts'

/** How far behind the length of a report its lines are looked for. */
const REPEAT_BYTES = 2 ** 16

/** What a line has more than the item that was sent, at most: fields that were left out, numbers written out. */
const GAINED_BYTES = 256

/** A report with all its parts. */
export interface ReportSize {
	readonly bytes: number
	/** Of its longest list. */
	readonly items: number
}

/** Where lines may stand already. */
interface Lines {
	readonly file: LineFile
	/** Lines of the same sameness are the same. */
	sameness(line: string): string
}

/** Of one report, whose parts follow one another: all are compared with the file as the first one found it. */
export class Repeats {
	readonly #reportBytes: number
	/** Hashes of the lines that stand at the end of the file. */
	#there: ReadonlySet<bigint> | null = null

	/** Without a size: of a report that comes in one part. */
	constructor({ bytes, items }: ReportSize = { bytes: 0, items: 0 }) {
		this.#reportBytes = bytes + items * GAINED_BYTES
	}

	/** The entries that are not at the end of the file. */
	async dropFrom(entries: readonly Entry[], lines: Lines): Promise<readonly Entry[]> {
		const { sameness } = lines
		this.#there ??= await this.#find(entries, lines)
		const there = this.#there
		if (there.size === 0) return entries
		return entries.filter(({ line }) => !there.has(hash(sameness(line))))
	}

	/** The file has been replaced: what was found in it is void. */
	forget(): void {
		this.#there = null
	}

	async #find(entries: readonly Entry[], { file, sameness }: Lines): Promise<ReadonlySet<bigint>> {
		const bytes = entries.reduce((sum, { line }) => sum + Buffer.byteLength(line) + 1, 0)
		const there = new Set<bigint>()
		for await (const lines of file.tail(Math.max(bytes, this.#reportBytes) + REPEAT_BYTES)) {
			for (const line of lines) there.add(hash(sameness(line)))
		}
		return there
	}
}

/** 64 bits: of a million lines two that differ are taken for the same once in 37 million times. */
function hash(line: string): bigint {
	return Bun.hash.wyhash(line)
}
