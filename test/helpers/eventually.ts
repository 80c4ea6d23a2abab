/** Waits until `condition` holds; fails with its last value's name after `timeoutMs`. */
export async function eventually(
	condition: () => boolean | Promise<boolean>,
	timeoutMs = 5000,
): Promise<void> {
	const deadline = performance.now() + timeoutMs
	while (!(await condition())) {
		if (performance.now() > deadline) throw new Error(`not so after ${timeoutMs} ms: ${condition}`)
		await Bun.sleep(10)
	}
}
