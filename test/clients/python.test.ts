/** Python clients against the compiled server; each script in python/ reports its checks. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { type PythonEnvironment, pythonExecutable } from './python-environment.ts'

/** The same script runs with the newest openai and with the one that the other packages need. */
const SCRIPTS: readonly (readonly [title: string, script: string, PythonEnvironment])[] = [
	['openai', 'openai_client.py', 'python-newest'],
	['openai, older', 'openai_client.py', 'python-clients'],
	['litellm', 'litellm_client.py', 'python-clients'],
	['langchain-openai', 'langchain_client.py', 'python-clients'],
	['openai-agents', 'agents_client.py', 'python-newest'],
	['pydantic-ai', 'pydantic_ai_client.py', 'python-newest'],
	['instructor', 'instructor_client.py', 'python-clients'],
	['llama-index', 'llama_index_client.py', 'python-clients'],
	['haystack', 'haystack_client.py', 'python-clients'],
	['smolagents', 'smolagents_client.py', 'python-clients'],
]
/** Each takes most of a core for its imports. */
const SCRIPTS_AT_ONCE = 3
const TIMEOUT_MS = 240_000

interface Check {
	readonly name: string
	/** The traceback, where it failed. */
	readonly error: string | null
}

const reports = new Map<string, Awaited<ReturnType<typeof runChecks>> | null>()
const waiting = [...SCRIPTS]
await Promise.all(Array.from({ length: SCRIPTS_AT_ONCE }, runWaiting))

for (const [title] of SCRIPTS) {
	const report = reports.get(title) ?? null
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
			expect(report.checks.length).toBeGreaterThan(0)
		})
	})
}

async function runWaiting(): Promise<void> {
	for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
		const [title, script, environment] = next
		const python = pythonExecutable(environment, 'python')
		reports.set(title, python === null ? null : await runChecks(python, script))
	}
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
			HAYSTACK_TELEMETRY_ENABLED: 'False',
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
