/**
 * `schemathesis` against the OpenAPI document of the compiled server. As a script:
 *
 *     bun test/clients/schemathesis.ts [--max-examples 250] [--seed 1]
 *
 * sends more than 10,000 requests to all routes in a few minutes.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { pythonExecutable } from './python-environment.ts'

export interface SchemathesisOptions {
	/** `schemathesis` of the virtual environment. */
	readonly executable: string
	/** What it does: its examples, its edge cases (many), and as much fuzzing as is asked for. */
	readonly phases: readonly ('examples' | 'coverage' | 'fuzzing' | 'stateful')[]
	/** Fuzzing requests per route. */
	readonly maxExamples: number
	readonly seed: number
}

export interface SchemathesisResult {
	/** 0 when it found nothing. */
	readonly status: number
	readonly output: string
	/** Requests that it sent. */
	readonly requests: number
}

/** Runs schemathesis against a server of its own, with a model that is small enough to be quick. */
export async function runSchemathesis(options: SchemathesisOptions): Promise<SchemathesisResult> {
	const { executable, phases, maxExamples, seed } = options
	await using server = await startAlpha({ runs: ['v2-relu-char'], args: ['--no-embedded-model'] })
	using workspace = tempDir()
	const child = Bun.spawn(
		[
			executable,
			...['run', `${server.url}/swagger/json`, '--no-color'],
			...['--phases', phases.join(','), '--max-examples', String(maxExamples)],
			...['--seed', String(seed), '--generation-database', 'none', '--continue-on-failure'],
			...['--header', `Authorization: Bearer ${uploadSecret}`],
			// A stream that never ends.
			...['--exclude-path', '/api/training/live'],
			...['--exclude-path', '/api/events'],
			// Our own checks take their places: they know what a schema cannot express.
			...['--exclude-checks', 'positive_data_acceptance,negative_data_rejection'],
			...['--suppress-health-check', 'all'],
		],
		{
			cwd: workspace.path,
			stdin: 'ignore',
			stdout: 'pipe',
			stderr: 'pipe',
			env: {
				...process.env,
				PYTHONPATH: join(import.meta.dir, 'python'),
				PYTHONDONTWRITEBYTECODE: '1',
				SCHEMATHESIS_HOOKS: 'schemathesis_checks',
			},
		},
	)
	const [output, log, status] = await Promise.all([
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
		child.exited,
	])
	const requests = Number(/(\d+) generated/.exec(output)?.[1] ?? 0)
	return { status, output: output + log, requests }
}

if (import.meta.main) {
	const { values } = parseArgs({
		options: {
			'max-examples': { type: 'string', default: '250' },
			seed: { type: 'string', default: '1' },
		},
	})
	const executable = pythonExecutable('python-clients', 'schemathesis')
	if (executable === null) process.exit(1)
	const { status, output } = await runSchemathesis({
		executable,
		phases: ['examples', 'coverage', 'fuzzing', 'stateful'],
		maxExamples: Number(values['max-examples']),
		seed: Number(values.seed),
	})
	console.log(output)
	process.exit(status)
}
