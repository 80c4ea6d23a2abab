/*
 * The training log, metrics.jsonl: one JSON object a line, appended while training runs, perhaps ending in half a line.
 * Bad lines cost nothing but themselves.
 */

import type { FileHandle } from 'node:fs/promises'
import { isRecord, withoutByteOrderMark } from '../../lib/json.ts'
import { openRegularFile } from './files.ts'

/** Longest line that is looked at. */
const LINE_BYTES_MAX = 2 ** 20
const READ_BYTES = 2 ** 16

/** Numbers of one line; NaN, which the trainer writes as null, is null. */
export type LogPoint = Readonly<Record<string, number | null>>

/** How the losses, and whatever else was logged, went over the training. */
export interface LossSeries {
	/** Good lines in the file. */
	readonly lineCount: number
	/** Lines that are no JSON object, half lines included. */
	readonly badLineCount: number
	/** At most as many points as asked for, in file order; lines with a validation loss are preferred. */
	readonly points: readonly LogPoint[]
}

/**
 * The loss to show for a run: of the last whole line, `valLoss ?? loss`. Null when there is none, or
 * when that line does not parse; undefined when the file cannot be read.
 */
export async function readLastLoss(path: string): Promise<number | null | undefined> {
	try {
		await using file = await openRegularFile(path)
		const { size } = await file.stat()
		const tail = Buffer.alloc(Math.min(size, LINE_BYTES_MAX))
		const { bytesRead } = await file.read(tail, 0, tail.length, size - tail.length)
		return lastLossOf(tail.toString('utf8', 0, bytesRead))
	} catch {
		return undefined
	}
}

/** The same of a log's text, or of its end. */
export function lastLossOf(log: string): number | null {
	const text = log.trimEnd()
	const start = text.lastIndexOf('\n') + 1
	let point = parseLine(text.slice(start))
	// What no line end follows is still being written, unless it makes sense already.
	if (point === undefined && !log.endsWith('\n')) {
		const before = text.slice(0, start).trimEnd()
		point = parseLine(before.slice(before.lastIndexOf('\n') + 1))
	}
	return point?.['valLoss'] ?? point?.['loss'] ?? null
}

/**
 * Reads a whole log in constant memory, thinned to `pointsMax` points. Runs in slices, so
 * that a file of any length never holds up the thread. A file that does not exist is empty.
 */
export function readLossSeries(path: string, pointsMax: number): Promise<LossSeries> {
	return thinLossSeries(readLines(path), pointsMax)
}

/** The lines of a log, thinned to `pointsMax` points. */
export async function thinLossSeries(
	lines: AsyncIterable<string> | Iterable<string>,
	pointsMax: number,
): Promise<LossSeries> {
	const thinner = new Thinner(pointsMax)
	let badLineCount = 0
	for await (const line of lines) {
		if (line.trim() === '') continue
		const point = parseLine(line)
		if (point === undefined) badLineCount++
		else thinner.push(point)
	}
	return { lineCount: thinner.count, badLineCount, points: thinner.points() }
}

async function* readLines(path: string): AsyncGenerator<string> {
	let file: FileHandle
	try {
		file = await openRegularFile(path)
	} catch {
		return
	}
	await using closing = file
	const chunk = Buffer.alloc(READ_BYTES)
	let rest = Buffer.alloc(0)
	for (;;) {
		const { bytesRead } = await closing.read(chunk, 0, chunk.length)
		if (bytesRead === 0) break
		const bytes = Buffer.concat([rest, chunk.subarray(0, bytesRead)])
		const end = bytes.lastIndexOf(0x0a)
		for (const line of bytes.toString('utf8', 0, Math.max(end, 0)).split('\n')) yield line
		rest = bytes.subarray(end + 1)
		// A line that never ends is cut; its pieces count as bad lines.
		if (rest.length > LINE_BYTES_MAX) {
			yield '?'
			rest = Buffer.alloc(0)
		}
	}
	yield rest.toString('utf8')
}

function parseLine(line: string): LogPoint | undefined {
	try {
		const value: unknown = JSON.parse(withoutByteOrderMark(line))
		if (!isRecord(value)) return undefined
		const isNumber = (item: unknown) => item === null || Number.isFinite(item)
		const numbers = Object.entries(value).filter(([, item]) => isNumber(item))
		return Object.fromEntries(numbers) as LogPoint
	} catch {
		return undefined
	}
}

/** Keeps one point of every `stride` lines and doubles the stride when it has too many. */
class Thinner {
	readonly #pointsMax: number
	#kept: LogPoint[] = []
	#stride = 1
	#bucket: LogPoint | undefined
	#bucketLines = 0
	count = 0

	constructor(pointsMax: number) {
		this.#pointsMax = pointsMax
	}

	push(point: LogPoint): void {
		this.count++
		this.#bucket = preferred(this.#bucket, point)
		if (++this.#bucketLines < this.#stride) return
		this.#kept.push(this.#bucket)
		this.#bucket = undefined
		this.#bucketLines = 0
		if (this.#kept.length >= 2 * this.#pointsMax) this.#halve()
	}

	points(): readonly LogPoint[] {
		if (this.#bucket !== undefined) this.#kept.push(this.#bucket)
		this.#bucket = undefined
		while (this.#kept.length > this.#pointsMax) this.#halve()
		return this.#kept
	}

	#halve(): void {
		const pairs = this.#kept
		this.#kept = []
		for (let i = 0; i < pairs.length; i += 2) {
			this.#kept.push(preferred(pairs[i], pairs[i + 1] ?? pairs[i]!))
		}
		this.#stride *= 2
	}
}

/** Of two neighbours the one with a validation loss, else the later one. */
function preferred(earlier: LogPoint | undefined, later: LogPoint): LogPoint {
	const hasValidation = (point: LogPoint) => typeof point['valLoss'] === 'number'
	return earlier !== undefined && hasValidation(earlier) && !hasValidation(later) ? earlier : later
}
