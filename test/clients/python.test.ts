/** Python clients against the compiled server; each script in python/ reports its checks. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { type PythonEnvironment, pythonExecutable } from './python-environment.ts'

/** The same script runs with the newest openai and with the one that the other packages need. */
const SCRIPTS: readonly (readonly [title: string, script: string, PythonEnvironment])[] = [
	['openai', 'openai_client.py', 'python-openai'],
	['openai, older', 'openai_client.py', 'python-clients'],
	['litellm', 'litellm_client.py', 'python-clients'],
	['langchain-openai', 'langchain_client.py', 'python-clients'],
]
const TIMEOUT_MS = 120_000

interface Check {
	readonly name: string
	/** The traceback, where it failed. */
	readonly error: string | null
}

const runs = await Promise.all(
	SCRIPTS.map(async ([title, script, environment]) => {
		const python = pythonExecutable(environment, 'python')
		return { title, report: python === null ? null : await runChecks(python, script) }
	}),
)

for (const { title, report } of runs) {
	describe(`Python ${title}`, () => {
		if (report === null) {
			test.skip('is not installed', () => {})
			return
		}
		for (const { name, error } of report.checks) {
			test(name, () => {
				if (error !== null) throw new Error(error)
			})
		}
		test('runs to its end', () => {
			expect(report.status, report.log).toBe(0)
			expect(report.checks.length).toBeGreaterThan(5)
		})
	})
}

/** Runs a script against a server of its own: it watches the engine go idle. */
async function runChecks(python: string, script: string) {
	await using server = await startAlpha()
	const child = Bun.spawn([python, join(import.meta.dir, 'python', script), server.url], {
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
		timeout: TIMEOUT_MS,
		env: {
			...process.env,
			PYTHONDONTWRITEBYTECODE: '1',
			// Nothing but this machine is asked: prices from the package, no telemetry.
			LITELLM_LOCAL_MODEL_COST_MAP: 'True',
			LANGSMITH_TRACING: 'false',
		},
	})
	const [output, log, status] = await Promise.all([
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
		child.exited,
	])
	const lines = output.split('\n').filter((line) => line.startsWith('{'))
	return { checks: lines.map((line) => JSON.parse(line) as Check), status, log }
}
