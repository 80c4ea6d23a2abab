/** What tools make of the OpenAPI document of the compiled server: a linter's verdict, and clients that work. */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { copyFileSync, existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { type ClientReport, describeClient, runClient } from './client-checks.ts'
import { pythonExecutable } from './python-environment.ts'

setDefaultTimeout(120_000)

const tools = join(import.meta.dir, '../../node_modules/.cache/openapi-tools')
const hasTools = existsSync(join(tools, 'installed.txt'))
const toolsNote = hasTools
	? ''
	: ' (skipped: `bun test/install.ts` says why its tools are not there)'

describe.skipIf(!hasTools)(`a linter and generated types${toolsNote}`, () => {
	test('Redocly finds no error', async () => {
		const { createConfig, lintFromString } = await import(
			Bun.resolveSync('@redocly/openapi-core', tools)
		)
		const config = await createConfig({ extends: ['recommended'] })
		await using server = await startAlpha()
		for (const path of ['/openapi.json', '/swagger/json']) {
			const source = await (await fetch(`${server.url}${path}`)).text()
			const problems: { severity: string; ruleId: string; message: string }[] =
				await lintFromString({
					source,
					absoluteRef: 'openapi.json',
					config,
				})
			expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
		}
	})
})

/** Runs a command whose failure is told in whole. */
async function run(command: readonly string[], cwd: string, env = {}): Promise<void> {
	const child = Bun.spawn([...command], {
		cwd,
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
		env: { ...process.env, ...env },
	})
	const texts = [new Response(child.stdout).text(), new Response(child.stderr).text()]
	const [status, ...output] = await Promise.all([child.exited, ...texts])
	if (status !== 0)
		throw new Error(`${command.join(' ')} ended with ${status}:\n${output.join('')}`)
}

async function saveDocument(path: string): Promise<void> {
	await using server = await startAlpha()
	await Bun.write(path, await (await fetch(`${server.url}/openapi.json`)).text())
}

/** Makes types of the document, compiles the program against them and runs it. */
async function typescriptReport(): Promise<ClientReport> {
	using workspace = tempDir()
	const bin = (name: string) => join(tools, 'node_modules/.bin', name)
	copyFileSync(join(import.meta.dir, 'openapi/client.ts'), join(workspace.path, 'client.ts'))
	symlinkSync(join(tools, 'node_modules'), join(workspace.path, 'node_modules'))
	await saveDocument(join(workspace.path, 'openapi.json'))
	await run(
		[
			bin('openapi-typescript'),
			'openapi.json',
			'-o',
			'schema.d.ts',
			'--default-non-nullable=false',
		],
		workspace.path,
	)
	const options = ['--strict', '--noEmit', '--skipLibCheck', '--allowImportingTsExtensions']
	const modules = ['--target', 'esnext', '--module', 'esnext', '--moduleResolution', 'bundler']
	const typeRoots = join(import.meta.dir, '../../node_modules')
	const types = ['--types', 'bun-types', '--typeRoots', typeRoots]
	await run([bin('tsc'), ...options, ...modules, ...types, 'client.ts'], workspace.path)
	return await runClient([process.execPath, join(workspace.path, 'client.ts')])
}

/** Makes a package of the document and runs the program that uses it. */
async function pythonReport(generator: string, python: string): Promise<ClientReport> {
	using workspace = tempDir()
	await saveDocument(join(workspace.path, 'openapi.json'))
	const options = ['--meta', 'none', '--output-path', 'alpha_client', '--fail-on-warning']
	// It tidies what it has made with a program that is beside it.
	const env = { PATH: `${join(generator, '..')}:${process.env['PATH']}` }
	await run([generator, 'generate', '--path', 'openapi.json', ...options], workspace.path, env)
	return await runClient([python, join(import.meta.dir, 'python/generated_client.py')], {
		PYTHONDONTWRITEBYTECODE: '1',
		PYTHONPATH: workspace.path,
	})
}

const generator = pythonExecutable('python-openapi', 'openapi-python-client')
const python = pythonExecutable('python-openapi', 'python')
describeClient('types of openapi-typescript', hasTools ? await typescriptReport() : null)
describeClient(
	'a package of openapi-python-client',
	generator === null || python === null ? null : await pythonReport(generator, python),
)
