/** Python clients against the compiled server; each script in python/ reports its checks. */
import { join } from 'node:path'
import { type ClientReport, describeClient, runClient } from './client-checks.ts'
import { type PythonEnvironment, pythonExecutable } from './python-environment.ts'

/** The same script runs with the newest openai and with the one that the other packages need. */
const SCRIPTS: readonly (readonly [title: string, script: string, PythonEnvironment])[] = [
	['openai', 'openai_client.py', 'python-newest'],
	['openai, its types', 'openai_types.py', 'python-newest'],
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

const pythonVariables = {
	PYTHONDONTWRITEBYTECODE: '1',
	// Nothing but this machine is asked: prices from the package, no telemetry.
	LITELLM_LOCAL_MODEL_COST_MAP: 'True',
	LANGSMITH_TRACING: 'false',
	HAYSTACK_TELEMETRY_ENABLED: 'False',
}

const reports = new Map<string, ClientReport | null>()
const waiting = [...SCRIPTS]
await Promise.all(Array.from({ length: SCRIPTS_AT_ONCE }, runWaiting))

for (const [title] of SCRIPTS) describeClient(`Python ${title}`, reports.get(title) ?? null)

async function runWaiting(): Promise<void> {
	for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
		const [title, script, environment] = next
		const python = pythonExecutable(environment, 'python')
		const command = [python ?? '', join(import.meta.dir, 'python', script)]
		reports.set(title, python === null ? null : await runClient(command, pythonVariables))
	}
}
