import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, relative } from 'node:path'

const root = join(import.meta.dir, '..')

/** A folder may import itself and folders of a lower rank (src/README.md). */
const RANKS: Readonly<Record<string, number>> = {
	lib: 0,
	kernels: 1,
	tokenizer: 1,
	model: 2,
	checkpoint: 3,
	engine: 3,
	models: 4,
	runs: 4,
	text: 5,
	wire: 6,
	upload: 7,
	openai: 7,
	alpha: 7,
	ui: 7,
	remote: 8,
	server: 9,
	commands: 10,
	'main.ts': 11,
}

interface Import {
	readonly from: string
	readonly to: string
}

function sourceWithoutComments(path: string): string {
	return readFileSync(join(root, 'src', path), 'utf8')
		.replaceAll(/\/\*[\s\S]*?\*\//g, '')
		.replaceAll(/^\s*\/\/.*$/gm, '')
}

/** Modules of src, relative to it. What the web page consists of runs in browsers. */
const modules = [...new Bun.Glob('**/*.ts').scanSync(join(root, 'src'))]
	.filter((path) => !path.startsWith('ui/page/'))
	.sort()

const imports: readonly Import[] = modules.flatMap((from) => {
	const statements = sourceWithoutComments(from).matchAll(
		/\b(?:import|export)\s+(?:type\s)?(?:[\w\s{},*$]+from\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/g,
	)
	return [...statements].map(([, statically, dynamically]) => {
		const specifier = statically ?? dynamically ?? ''
		const to = specifier.startsWith('.') ? join(dirname(from), specifier) : specifier
		return { from, to }
	})
})

function folderOf(path: string): string {
	return path.split('/')[0] ?? ''
}

/** Files of the repository; without git, all that the checkout holds and git would not ignore. */
function repositoryFiles(): string[] {
	const git = Bun.which('git')
	const listing = git === null ? null : Bun.spawnSync([git, 'ls-files', '-z'], { cwd: root })
	if (listing?.success) {
		const paths = listing.stdout.toString().split('\0').filter(Boolean)
		return paths.filter((path) => existsSync(join(root, path)))
	}
	return readdirSync(root, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile())
		.map((entry) => relative(root, join(entry.parentPath, entry.name)))
		.filter((path) => !/^(\.git|node_modules|dist)\//.test(path))
}

describe('the imports of src', () => {
	test('are found', () => {
		expect(imports.length).toBeGreaterThan(modules.length)
	})

	test('point only to folders of a lower rank', () => {
		const wrong = imports.filter(({ from, to }) => {
			const [importer, imported] = [folderOf(from), folderOf(to)]
			const isOurs = modules.includes(to)
			return isOurs && importer !== imported && !((RANKS[imported] ?? 99) < (RANKS[importer] ?? -1))
		})
		expect(wrong.map(({ from, to }) => `${from} must not import ${to}`)).toEqual([])
	})

	test('come from folders that have a rank', () => {
		const folders = new Set(modules.map(folderOf))
		expect([...folders].filter((folder) => !(folder in RANKS))).toEqual([])
	})

	test('of a worker folder are inside of it: no other thread runs its code', () => {
		const workerFolder = /^(.*\/worker)\//
		const wrong = imports.filter(({ from, to }) => {
			const folder = workerFolder.exec(to)?.[1]
			return folder !== undefined && !from.startsWith(`${folder}/`)
		})
		expect(wrong.map(({ from, to }) => `${from} must not import ${to}`)).toEqual([])
	})

	test('of bun:ffi are in kernels/binding.ts only', () => {
		const importers = imports.filter(({ to }) => to === 'bun:ffi').map(({ from }) => from)
		expect(importers).toEqual(['kernels/binding.ts'])
	})

	test('make no cycles, types included', () => {
		const cycles: string[] = []
		const done = new Set<string>()
		const visit = (path: string, trail: readonly string[]) => {
			if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
			if (done.has(path) || trail.includes(path)) return
			for (const { from, to } of imports) {
				if (from === path && modules.includes(to)) visit(to, [...trail, path])
			}
			done.add(path)
		}
		for (const path of modules) visit(path, [])
		expect(cycles).toEqual([])
	})
})

describe('the process', () => {
	/** Part of the build, not of the program. */
	const buildOnly = ['kernels/compile.ts', 'kernels/targets.ts']

	test('is read and ended by main.ts and commands only', () => {
		const offenders = modules
			.filter((path) => !buildOnly.includes(path))
			.filter((path) => !/^(commands|main\.ts$)/.test(path))
			.filter((path) =>
				/\bprocess\.(argv|env|exit|on)\b|\bBun\.(argv|env)\b/.test(sourceWithoutComments(path)),
			)
		expect(offenders).toEqual([])
	})

	test('asks other servers from commands and remote only: no request can make the server fetch what it names', () => {
		const asking = modules.filter((path) =>
			/(?<![.\w])(?:fetch|Bun\.connect)\((?!request, server)/.test(sourceWithoutComments(path)),
		)
		expect(new Set(asking.map(folderOf))).toEqual(new Set(['commands', 'remote']))
	})

	test('gets its workers from main.ts, the only place whose paths hold in an executable', () => {
		const spawners = modules.filter((path) => /\bnew Worker\(/.test(sourceWithoutComments(path)))
		expect(spawners).toEqual(['main.ts'])
	})
})

describe('the repository', () => {
	test('has nothing at its top but what belongs there', () => {
		const expected =
			'package.json tsconfig.json bunfig.toml bun.lock build.ts src test checkpoints deploy README.md LICENSE .gitignore .ci'
		const top = new Set(repositoryFiles().map(folderOf))
		expect([...top].filter((name) => !expected.split(' ').includes(name))).toEqual([])
	})

	test('names no document that is not in it', () => {
		const files = repositoryFiles()
		const documents = new Set(files.map((path) => basename(path)))
		const offenders = files
			.filter((path) => /^(src|test)\/.*\.(ts|js|c|h|md)$/.test(path))
			.flatMap((path) => {
				const named = readFileSync(join(root, path), 'utf8').match(/\b[A-Z]{3,}\.md\b/g) ?? []
				return named.filter((name) => !documents.has(name)).map((name) => `${path}: ${name}`)
			})
		expect(offenders).toEqual([])
	})

	test('names no directory of the machine that it was written on', () => {
		const places = [root, homedir(), '/home/(?!secret|x\\b)\\w+'].filter((path) => path !== '/')
		const machinePath = new RegExp(`(?<![\\w.$}-])(?:${places.join('|')})/[\\w.-]+`)
		const offenders = repositoryFiles()
			.filter((path) => /\.(ts|js|css|html|md|json|toml|c|h|jsonl)$|^\.ci\/|^LICENSE/.test(path))
			.filter((path) => !/^(test\/fixtures|checkpoints)\/.*\/checkpoint-/.test(path))
			.flatMap((path) => {
				const found = readFileSync(join(root, path), 'utf8').match(machinePath)
				return found === null ? [] : [`${path}: ${found[0]}`]
			})
		expect(offenders).toEqual([])
	})
})
