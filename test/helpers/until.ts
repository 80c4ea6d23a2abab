const POLL_MS = 5

/** Waits for a condition of another process. Throws when it does not come true in time. */
export async function until(
	condition: () => boolean | Promise<boolean>,
	description: string,
	timeoutMs = 10_000,
): Promise<void> {
	const deadline = performance.now() + timeoutMs
	while (!(await condition())) {
		if (performance.now() > deadline) {
			throw new Error(`not within ${timeoutMs} ms: ${description}`)
		}
		await Bun.sleep(POLL_MS)
	}
}
