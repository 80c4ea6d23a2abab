/* A model that rsync replaces file by file, each under another name until it is whole. */
import { expect, test } from 'bun:test'
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openStore } from '../../src/checkpoint/store/store.ts'
import { eventually } from '../helpers/eventually.ts'
import { families } from '../helpers/families.ts'
import { tempDir } from '../helpers/temp-dir.ts'

/** Kilobytes a second: its weights take longer to copy than a file takes to be at rest. */
const RATE = 150

test.skipIf(Bun.which('rsync') === null)(
	'a model that rsync replaces file by file is served as it was until all of it is new (rsync)',
	async () => {
		using directory = tempDir()
		using source = tempDir()
		const target = join(directory.path, 'run')
		cpSync(join(families, 'gpt2'), target, { recursive: true })
		cpSync(join(families, 'gpt2'), source.path, { recursive: true })
		for (const name of readdirSync(source.path)) {
			const path = join(source.path, name)
			const space = name.endsWith('.json') ? ' ' : ''
			writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.from(space)]))
		}
		const store = await openStore({
			directory: directory.path,
			log: () => {},
			inspect: async () => {
				throw new Error('nobody looks inside')
			},
		})
		try {
			const old = store.find('run')!.served
			const seen = new Set<string | undefined>([old.identity])
			store.onChange(() => seen.add(store.find('run')?.served.identity))
			const copy = ['rsync', '-a', '--ignore-times', `--bwlimit=${RATE}`]
			const rsync = Bun.spawn([...copy, `${source.path}/`, target], { stdout: 'ignore' })
			expect(await rsync.exited).toBe(0)
			expect([...seen]).toEqual([old.identity])
			await eventually(() => store.find('run')?.served.identity !== old.identity, 5000)
			await eventually(() => store.find('run')?.fault === null, 5000)
			expect(seen.size).toBe(2)
		} finally {
			store.close()
		}
	},
	30_000,
)
