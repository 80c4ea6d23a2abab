import { executablePath } from './alpha-server.ts'

/** What a finished command left behind. */
export interface Finished {
	readonly status: number
	/** Of standard output. */
	readonly output: string
	/** Of standard error. */
	readonly errors: string
}

/** Runs the executable to its end; nothing is inherited but PATH. */
export async function runAlpha(
	args: readonly string[],
	env: Readonly<Record<string, string>> = {},
	/** What is piped in. Default: nothing, at its end at once. */
	input = '',
): Promise<Finished> {
	const child = Bun.spawn([executablePath, ...args], {
		cwd: import.meta.dir,
		env: { PATH: process.env['PATH'], ...env },
		stdin: new Blob([input]),
		stdout: 'pipe',
		stderr: 'pipe',
	})
	const [status, output, errors] = await Promise.all([
		child.exited,
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
	])
	return { status, output, errors }
}
