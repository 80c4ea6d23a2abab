import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The Python virtual environments that test/install.ts makes, without the packages' names. */
export type PythonEnvironment = 'python-newest' | 'python-clients' | 'python-openapi'

/** An executable of a virtual environment; null, with a line that says why, when it is not there. */
export function pythonExecutable(environment: PythonEnvironment, name: string): string | null {
	const directory = join(import.meta.dir, '../../node_modules/.cache', environment)
	// The stamp is written when everything has been installed.
	if (existsSync(join(directory, 'installed.txt'))) return join(directory, 'bin', name)
	console.warn(`skipped: ${environment} is not installed; \`bun test/install.ts\` says why`)
	return null
}
