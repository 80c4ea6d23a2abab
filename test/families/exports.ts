/**
 * What transformers computes from our exports, beside what the trainer's own code gave:
 * `bun test/families/exports.ts [--python PATH]`. Without a PATH it installs transformers and torch, some
 * gigabytes. When all agree it writes the digests that the tests compare with (fixtures/exports.json).
 */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { executablePath } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const fixtures = join(import.meta.dir, '../fixtures')
const environment = join(import.meta.dir, '../../node_modules/.cache/python-families')
const PACKAGES = ['torch==2.15.0', 'transformers==5.24.0']
const RUNS = readdirSync(fixtures).filter((name) => /^v[12]-/.test(name))

/** One run, as exports.py prints it. */
interface Comparison {
	readonly name: string
	readonly logits: number
	readonly argmaxWrong: number
	readonly greedyEqual: number
	readonly greedy: number
}

function run(command: readonly string[]): string {
	const child = Bun.spawnSync([...command], { stderr: 'pipe' })
	if (!child.success) throw new Error(`${command.join(' ')} failed:\n${child.stderr}`)
	return child.stdout.toString()
}

function installPython(): string {
	const python = join(environment, 'bin/python')
	if (!existsSync(python)) {
		run(['python3', '-m', 'venv', environment])
		run([python, '-m', 'pip', 'install', '-q', ...PACKAGES])
	}
	return python
}

/** Digests of what an export consists of, its card aside. */
function digests(directory: string) {
	const names = readdirSync(directory).filter((name) => name !== 'README.md')
	const files = names.sort().map((name) => {
		const bytes = readFileSync(join(directory, name))
		return [name, createHash('sha256').update(bytes).digest('hex')]
	})
	return {
		layout: names.includes('modeling_alpha.py') ? 'own' : 'gpt2',
		files: Object.fromEntries(files),
	}
}

const { values } = parseArgs({ options: { python: { type: 'string' } } })
const python = values.python ?? installPython()
using directory = tempDir()
const exportsDirectory = join(directory.path, 'exports')
const checkpoints = join(directory.path, 'checkpoints')
mkdirSync(exportsDirectory)
for (const name of RUNS) {
	cpSync(join(fixtures, name), join(checkpoints, name), { recursive: true })
	const out = join(exportsDirectory, name)
	run([executablePath, 'export', name, `--out=${out}`, `--checkpoints=${checkpoints}`])
}
const lines = run([python, join(import.meta.dir, 'exports.py'), exportsDirectory, fixtures])
const results = lines
	.trim()
	.split('\n')
	.map((line): Comparison => JSON.parse(line))
console.table(Object.fromEntries(results.map(({ name, ...rest }) => [name, rest])))
const isRight = results.every(
	({ logits, argmaxWrong, greedyEqual, greedy }) =>
		logits < 5e-3 && argmaxWrong === 0 && greedyEqual === greedy,
)
if (isRight && results.length === RUNS.length) {
	const goldens = RUNS.map((name) => [name, digests(join(exportsDirectory, name))])
	const text = JSON.stringify(Object.fromEntries(goldens), null, '\t')
	writeFileSync(join(fixtures, 'exports.json'), `${text}\n`)
}
process.exit(isRight ? 0 : 1)
