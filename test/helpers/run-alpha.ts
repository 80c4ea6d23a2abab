import { executablePath } from './alpha-server.ts'
import { type Finished, finishedOf } from './finished.ts'

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
	return await finishedOf(child)
}
