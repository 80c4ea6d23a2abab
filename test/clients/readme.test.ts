/** The examples of README.md, run as they stand against the compiled server on its real port. */
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { startAlpha, uploadSecret } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { pythonExecutable } from './python-environment.ts'

// A busy machine imports the Python package slowly.
setDefaultTimeout(60_000)

const root = join(import.meta.dir, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const addressInReadme = 'http://127.0.0.1:3000'

const server = await startAlpha({ runs: [] })
afterAll(() => server.stop())

/** Contents of the README's code blocks in a language. */
function codeBlocks(language: string): string[] {
	const blocks = readme.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, 'gms'))
	return [...blocks].map(([, code]) => code!)
}

const curlCommands = codeBlocks('sh')
	.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
	.filter((line) => line.startsWith('curl '))
	.map((line) => line.replaceAll(/\s+/g, ' '))

/** The run that the README's upload sends, in the place of the reader's own. */
function zippedRun(): Uint8Array<ArrayBuffer> {
	const run = join(root, 'test/fixtures/v1-bpe')
	const json = (file: string) => JSON.parse(readFileSync(join(run, file), 'utf8'))
	const fields = { config: json('config.json'), checkpoint: json('checkpoint-450.json') }
	return Bun.gzipSync(JSON.stringify({ name: 'my-run', step: 450, ...fields }))
}

async function runExample(command: string[]) {
	using directory = tempDir()
	await Bun.write(join(directory.path, 'my-run.json.gz'), zippedRun())
	const child = Bun.spawn(command, {
		cwd: directory.path,
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
		env: { ...process.env, UPLOAD_SECRET: uploadSecret },
	})
	const [output, log, status] = await Promise.all([
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
		child.exited,
	])
	return { output, log, status }
}

test('README.md has curl lines', () => {
	expect(curlCommands.length).toBeGreaterThanOrEqual(4)
})

test.each(curlCommands)('%s', async (line) => {
	// A shell function makes an HTTP error an error of the command.
	const curl = 'curl() { command curl --silent --show-error --fail-with-body "$@"; }'
	const script = `${curl}\n${line.replaceAll(addressInReadme, server.url)}`
	const { output, log, status } = await runExample(['bash', '-c', script])
	expect(status, output + log).toBe(0)
	if (line.includes('/api/inference')) expect(output).toEndWith('data: [DONE]\n\n')
	else expect(Object.keys(JSON.parse(output)).length).toBeGreaterThan(0)
})

const python = pythonExecutable('python-newest', 'python')

test.skipIf(python === null).each(codeBlocks('python'))(
	'the Python example prints a text',
	async (code) => {
		const program = code.replaceAll(addressInReadme, server.url)
		const { output, log, status } = await runExample([python ?? '', '-c', program])
		expect(status, log).toBe(0)
		expect(output.length).toBeGreaterThan(20)
	},
)
