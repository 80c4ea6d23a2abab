/*
 * The training log, metrics.jsonl: one JSON object a line, appended while training runs, perhaps ending in half a line.
 * Bad lines cost nothing but themselves.
 */

import type { FileHandle } from 'node:fs/promises'
import { isRecord, withoutByteOrderMark } from '../../lib/json.ts'
import { SerialQueue } from '../../lib/serial-queue.ts'
import { lookAt, openRegularFile } from './files.ts'

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

/** The loss to show for a checkpoint: of the last point that is not behind its step; null when there is none. */
export function lossAtStep({ points }: LossSeries, trainingStep: number): number | null {
	const point = points.findLast(({ step, loss, valLoss }) => {
		return typeof step === 'number' && step <= trainingStep && (valLoss ?? loss ?? null) !== null
	})
	return point?.['valLoss'] ?? point?.['loss'] ?? null
}

/** The lines of a log, thinned to `pointsMax` points. */
export function thinLossSeries(lines: Iterable<string>, pointsMax: number): LossSeries {
	const series = new SeriesBuilder(pointsMax)
	for (const line of lines) series.push(line)
	return series.finish('')
}

/** Series that are kept, the ones that were asked for last. */
const KEPT_SERIES_MAX = 16

/** Reads series of log files; of one that has only grown since it was last asked for, the new lines. */
export class LossSeriesReader {
	readonly #followers = new Map<string, LogFollower>()

	/** A whole log thinned to `pointsMax` points. A file that does not exist is empty. */
	read(path: string, pointsMax: number): Promise<LossSeries> {
		const key = `${pointsMax} ${path}`
		const follower = this.#followers.get(key) ?? new LogFollower(path, pointsMax)
		// The last one in the map is the one that was asked for last.
		this.#followers.delete(key)
		this.#followers.set(key, follower)
		for (const oldest of this.#followers.keys()) {
			if (this.#followers.size <= KEPT_SERIES_MAX) break
			this.#followers.delete(oldest)
		}
		return follower.read()
	}
}

/** Bytes before the place where reading goes on, by which a file that was replaced is told. */
const SEAM_BYTES = 64

/** Reads one log again and again in constant memory, in slices that never hold up the thread. */
class LogFollower {
	readonly #path: string
	readonly #pointsMax: number
	readonly #reads = new SerialQueue()
	#identity = ''
	#inode = ''
	#series: SeriesBuilder
	/** Bytes that have been read, the half line at the end included. */
	#offset = 0
	#rest = Buffer.alloc(0)
	#seam = Buffer.alloc(0)
	#result: LossSeries

	constructor(path: string, pointsMax: number) {
		this.#path = path
		this.#pointsMax = pointsMax
		this.#series = new SeriesBuilder(pointsMax)
		this.#result = this.#series.finish('')
	}

	read(): Promise<LossSeries> {
		return this.#reads.run(async () => {
			const state = await lookAt(this.#path)
			if (state.type === 'file' && state.identity === this.#identity) return this.#result
			if (state.type === 'unreadable') return this.#result
			let file: FileHandle
			try {
				file = await openRegularFile(this.#path)
			} catch {
				this.#begin('')
				return this.#result
			}
			await using closing = file
			const inode = state.type === 'file' ? state.inode : ''
			if (inode !== this.#inode || !(await this.#goesOn(closing))) this.#begin(inode)
			await this.#readOn(closing)
			this.#identity = state.type === 'file' ? state.identity : ''
			this.#result = this.#series.finish(this.#rest.toString('utf8'))
			return this.#result
		})
	}

	#begin(inode: string): void {
		this.#identity = ''
		this.#inode = inode
		this.#series = new SeriesBuilder(this.#pointsMax)
		this.#offset = 0
		this.#rest = Buffer.alloc(0)
		this.#seam = Buffer.alloc(0)
		this.#result = this.#series.finish('')
	}

	/** True when what was read last is still where it was. */
	async #goesOn(file: FileHandle): Promise<boolean> {
		const length = this.#seam.length
		if (length === 0) return this.#offset === 0
		const seam = Buffer.alloc(length)
		const { bytesRead } = await file.read(seam, 0, length, this.#offset - length)
		return bytesRead === length && seam.equals(this.#seam)
	}

	async #readOn(file: FileHandle): Promise<void> {
		const chunk = Buffer.alloc(READ_BYTES)
		for (;;) {
			const { bytesRead } = await file.read(chunk, 0, chunk.length, this.#offset)
			if (bytesRead === 0) return
			this.#offset += bytesRead
			const bytes = Buffer.concat([this.#rest, chunk.subarray(0, bytesRead)])
			this.#seam = Buffer.from(bytes.subarray(-SEAM_BYTES))
			const end = bytes.lastIndexOf(0x0a)
			if (end >= 0) {
				for (const line of bytes.toString('utf8', 0, end).split('\n')) this.#series.push(line)
			}
			this.#rest = Buffer.from(bytes.subarray(end + 1))
			// A line that never ends is cut; its pieces count as bad lines.
			if (this.#rest.length > LINE_BYTES_MAX) {
				this.#series.push('?')
				this.#rest = Buffer.alloc(0)
			}
		}
	}
}

/** Lines, or points, to a thinned series. */
export class SeriesBuilder {
	readonly #thinner: Thinner
	#badLineCount = 0

	constructor(pointsMax: number) {
		this.#thinner = new Thinner(pointsMax)
	}

	push(line: string): void {
		if (line.trim() === '') return
		const point = parseLine(line)
		if (point === undefined) this.#badLineCount++
		else this.pushPoint(point)
	}

	pushPoint(point: LogPoint): void {
		this.#thinner.push(point)
	}

	/** The series so far, with a line that may only be half of one. */
	finish(lastLine: string): LossSeries {
		const isEmpty = lastLine.trim() === ''
		const last = isEmpty ? undefined : parseLine(lastLine)
		return {
			lineCount: this.#thinner.count + (last === undefined ? 0 : 1),
			badLineCount: this.#badLineCount + (isEmpty || last !== undefined ? 0 : 1),
			points: this.#thinner.points(last),
		}
	}
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

	/** The points so far and one more; may be asked for at any time. */
	points(last: LogPoint | undefined): readonly LogPoint[] {
		const bucket = last === undefined ? this.#bucket : preferred(this.#bucket, last)
		let points = bucket === undefined ? [...this.#kept] : [...this.#kept, bucket]
		while (points.length > this.#pointsMax) points = halved(points)
		return points
	}

	#halve(): void {
		this.#kept = halved(this.#kept)
		this.#stride *= 2
	}
}

/** One point of each two neighbours. */
function halved(points: readonly LogPoint[]): LogPoint[] {
	const halves: LogPoint[] = []
	for (let i = 0; i < points.length; i += 2) {
		halves.push(preferred(points[i], points[i + 1] ?? points[i]!))
	}
	return halves
}

/** Of two neighbours the one with a validation loss, else the later one. */
function preferred(earlier: LogPoint | undefined, later: LogPoint): LogPoint {
	const hasValidation = (point: LogPoint) => typeof point['valLoss'] === 'number'
	return earlier !== undefined && hasValidation(earlier) && !hasValidation(later) ? earlier : later
}
