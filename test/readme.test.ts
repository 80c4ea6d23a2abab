import { expect, test } from 'bun:test'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import packageJson from '../package.json'
import { serveOptions } from '../src/commands/settings/config.ts'
import { formatMarkdown } from './helpers/option-table.ts'

const root = join(import.meta.dir, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const architecture = readFileSync(join(root, 'src/README.md'), 'utf8')

test('the README lists the options as the program has them', () => {
	const table = formatMarkdown(serveOptions({ cores: 4, memoryBytes: 8 * 2 ** 30 }))
	expect(readme).toContain(`<!-- options -->\n${table}\n<!-- /options -->`)
})

test('the README names the Bun version that package.json pins', () => {
	const versions = new Set([...readme.matchAll(/bun@(\S+)/g)].map((match) => match[1]))
	expect([...versions]).toEqual([packageJson.devDependencies.bun])
})

const documents = [
	'README.md',
	'test/README.md',
	'deploy/README.md',
	...new Bun.Glob('src/**/README.md').scanSync(root),
]

test.each(documents)('the links of %s lead to files', (path) => {
	const text = readFileSync(join(root, path), 'utf8')
	const targets = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1]!)
	const missing = targets.filter((target) => !existsSync(join(root, dirname(path), target)))
	expect(missing).toEqual([])
})

test('src/README.md says what each run-time dependency is for', () => {
	for (const name of Object.keys(packageJson.dependencies)) {
		expect(architecture).toContain(`| ${name} |`)
	}
})

/** File and fragments of each test that the tables of faults name. */
function citedTests(): [file: string, fragment: string][] {
	const text = readFileSync(join(root, 'test/README.md'), 'utf8')
	const [, tables = ''] = text.split('## What can go wrong')
	const rows = tables.split('\n').filter((line) => line.startsWith('| ') && line.includes(']('))
	return rows.flatMap((row) => {
		const cited = row.split('](').slice(1)
		return cited.flatMap((part) => {
			const file = part.slice(0, part.indexOf(')'))
			const fragments = [...part.matchAll(/`([^`]+)`/g)].map(([, fragment = '']) => fragment)
			return fragments.map((fragment): [string, string] => [file, fragment])
		})
	})
}

/** A line in which a test, or a case of one, gets its name. */
const beginsTitle = /^\s*(?:(?:test|describe)\b|\]?\)\(|\[?['`]|\[\d+, |goal: )/

test('the tests that hold each fault are there', () => {
	const cited = citedTests()
	expect(cited.length).toBeGreaterThan(60)
	const missing = cited.filter(([file, fragment]) => {
		const lines = readFileSync(join(root, 'test', file), 'utf8').split('\n')
		return !lines.some((line) => line.includes(fragment) && beginsTitle.test(line))
	})
	expect(missing).toEqual([])
	// What is in many titles names none of them.
	expect(cited.filter(([, fragment]) => fragment.length < 10)).toEqual([])
})
