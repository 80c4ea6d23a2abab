import type { Tokenizer } from '../tokenizer/tokenizer.ts'

/** Longest time for which texts are encoded before others get their turn, milliseconds. */
const SLICE_MS = 4

/** Reserved tokens in a text are read as such, or as `plain` characters. */
type Reserved = 'read' | 'plain'

/**
 * Ids of a text of any length. Encoding runs on the thread that serves sockets, so that what takes long
 * is done in slices, between which events of other requests go out.
 */
export async function encodeText(
	text: string,
	tokenizer: Tokenizer,
	reserved: Reserved,
): Promise<number[]> {
	const [ids] = await encodeTexts([text], tokenizer, reserved)
	return ids!
}

/** The same of several texts: many short ones take long together. */
export async function encodeTexts(
	texts: readonly string[],
	tokenizer: Tokenizer,
	reserved: Reserved,
): Promise<number[][]> {
	const lists: number[][] = []
	let end = performance.now() + SLICE_MS
	for (const text of texts) {
		const steps = tokenizer.encodeSteps(text, reserved)
		for (;;) {
			const { done, value } = steps.next()
			if (performance.now() >= end) {
				await nextTurn()
				end = performance.now() + SLICE_MS
			}
			if (!done) continue
			lists.push(value)
			break
		}
	}
	return lists
}

let lastTurn: Promise<void> = Promise.resolve()

/** A turn of the event loop for one slice alone: many long texts keep others waiting no longer than one. */
function nextTurn(): Promise<void> {
	lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)))
	return lastTurn
}
