/** What a finished command left behind. */
export interface Finished {
	readonly status: number
	/** Of standard output. */
	readonly output: string
	/** Of standard error. */
	readonly errors: string
}

/** Waits for the end of a command whose output goes to pipes. */
export async function finishedOf(
	child: Pick<Bun.Subprocess<never, 'pipe', 'pipe'>, 'exited' | 'stdout' | 'stderr'>,
): Promise<Finished> {
	const [status, output, errors] = await Promise.all([
		child.exited,
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
	])
	return { status, output, errors }
}
