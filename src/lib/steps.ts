/**
 * Long work on the thread that serves sockets: a generator that yields every few hundred microseconds
 * and returns the result. It runs in slices, between which events of other requests go out.
 */
export type Steps<T> = Generator<void, T, void>

/** Units of work, each well below a microsecond, between two steps. */
export const STEP_UNITS = 4096

/** Items, each of which takes some microseconds, between two steps. */
const STEP_ITEMS = STEP_UNITS / 16

/** Longest time for which one piece of work runs before others get their turn, milliseconds. */
const SLICE_MS = 2

/** As `forEach`, for items that take some microseconds each. */
export function* forEachInSteps<T>(
	items: Iterable<T>,
	visit: (item: T, index: number) => void,
): Steps<void> {
	let index = 0
	for (const item of items) {
		visit(item, index)
		if (++index % STEP_ITEMS === 0) yield
	}
}

/** Runs to the end at once. */
export function finish<T>(steps: Steps<T>): T {
	for (;;) {
		const { done, value } = steps.next()
		if (done) return value
	}
}

/** Runs in slices, the first of them at once. */
export async function inSlices<T>(steps: Steps<T>): Promise<T> {
	let end = endOfTurn()
	for (;;) {
		if (performance.now() >= end) {
			await nextTurn()
			end = performance.now() + SLICE_MS
		}
		const { done, value } = steps.next()
		if (done) return value
	}
}

/** The same bytes in pieces of at most `bytesMax`, whose readers' work runs in slices. */
export async function* inSlicedPieces(
	chunks: AsyncIterable<Uint8Array>,
	bytesMax: number,
): AsyncGenerator<Uint8Array> {
	let end = endOfTurn()
	for await (const chunk of chunks) {
		for (let at = 0; at < chunk.length; at += bytesMax) {
			if (performance.now() >= end) {
				await nextTurn()
				end = performance.now() + SLICE_MS
			}
			yield chunk.subarray(at, at + bytesMax)
		}
	}
}

/** Until when first slices may run in this turn of the event loop: all that begins in it shares one slice. */
let turnEnd: number | null = null

function endOfTurn(): number {
	if (turnEnd === null) {
		turnEnd = performance.now() + SLICE_MS
		setImmediate(() => {
			turnEnd = null
		})
	}
	return turnEnd
}

let lastTurn: Promise<void> = Promise.resolve()

/** A turn of the event loop for one slice alone: much long work keeps others waiting no longer than one. */
export function nextTurn(): Promise<void> {
	lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)))
	return lastTurn
}
