/** Turns of the event loop that others get until a promise is settled. */
export async function turnsDuring(work: Promise<unknown>): Promise<number> {
	let isOver = false
	let turns = 0
	const count = () => {
		turns++
		if (!isOver) setImmediate(count)
	}
	setImmediate(count)
	await work
	isOver = true
	return turns
}
