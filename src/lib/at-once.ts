/**
 * Does `work` for each item, at most `limit` at a time, in their order. After a failure nothing more begins and
 * what runs is told by its signal; when all has ended, the first failure is thrown.
 */
export async function forEachAtOnce<Item>(
	items: Iterable<Item>,
	limit: number,
	work: (item: Item, signal: AbortSignal) => Promise<void>,
): Promise<void> {
	const waiting = [...items]
	const stop = new AbortController()
	const failures: unknown[] = []
	const workOn = async () => {
		while (waiting.length > 0 && !stop.signal.aborted) {
			try {
				await work(waiting.shift()!, stop.signal)
			} catch (error) {
				failures.push(error)
				stop.abort()
			}
		}
	}
	await Promise.all(Array.from({ length: limit }, workOn))
	if (failures.length > 0) throw failures[0]
}
