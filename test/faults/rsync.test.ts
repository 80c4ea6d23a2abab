/* Models that rsync copies file by file, each under another name until it is whole. */
import { describe, expect, test } from 'bun:test'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type CheckpointStore, openStore } from '../../src/checkpoint/store/store.ts'
import { eventually } from '../helpers/eventually.ts'
import { families } from '../helpers/families.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** Kilobytes a second: the large files take longer to copy than a file takes to be at rest. */
const RATE = 150

/** Runs `use` while a store watches the directory; nobody looks into files. */
async function watching(directory: string, use: (store: CheckpointStore) => Promise<void>) {
	const store = await openStore({ directory, log: () => {} })
	try {
		await use(store)
	} finally {
		store.close()
	}
}

async function rsync(source: string, target: string): Promise<void> {
	const options = ['-a', '--ignore-times', `--bwlimit=${RATE}`]
	const copying = Bun.spawn(['rsync', ...options, `${source}/`, target], { stdout: 'ignore' })
	expect(await copying.exited).toBe(0)
}

/** The model with every file a little longer, its tokenizer much. */
function changedModel(directory: string): void {
	cpSync(join(families, 'gpt2'), directory, { recursive: true })
	for (const name of readdirSync(directory)) {
		if (!name.endsWith('.json')) continue
		const spaces = ' '.repeat(name === 'tokenizer.json' ? 400_000 : 1)
		writeFileSync(join(directory, name), readFileSync(join(directory, name)) + spaces)
	}
}

describe.skipIf(Bun.which('rsync') === null)('a model that rsync copies file by file', () => {
	test('is served as it was until all of it is new', async () => {
		using directory = tempDir()
		using source = tempDir()
		changedModel(source.path)
		const target = join(directory.path, 'run')
		cpSync(join(families, 'gpt2'), target, { recursive: true })
		await watching(directory.path, async (store) => {
			const old = store.find('run')!.served
			const seen = new Set<string | undefined>([old.identity])
			store.onChange(() => seen.add(store.find('run')?.served.identity))
			await rsync(source.path, target)
			expect([...seen]).toEqual([old.identity])
			await eventually(() => store.find('run')?.served.identity !== old.identity, 5000)
			await eventually(() => store.find('run')?.fault === null, 5000)
			expect(seen.size).toBe(2)
		})
	}, 30_000)

	test('appears with all of its files', async () => {
		using directory = tempDir()
		using source = tempDir()
		changedModel(source.path)
		await watching(directory.path, async (store) => {
			const seen = new Set<number>()
			store.onChange(() => seen.add(store.find('run')?.served.files?.length ?? 0))
			await rsync(source.path, join(directory.path, 'run'))
			await eventually(() => store.find('run') !== undefined, 5000)
			seen.delete(0)
			expect([...seen]).toEqual([5])
		})
	}, 30_000)
})
