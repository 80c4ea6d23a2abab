/** A fixture's checkpoint, whoever wrote it. */
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint, openDirectory } from '../../src/checkpoint/formats/open.ts'
import type { CheckpointFile } from '../../src/checkpoint/formats/types.ts'
import { familyDirectory } from './families.ts'

const fixtures = join(import.meta.dir, '../fixtures')

/** `families/<name>` is another trainer's directory; `<name>` a run of ours, of which the last step is opened. */
export function openFixture(name: string): Disposable & { readonly file: CheckpointFile } {
	if (name.startsWith('families/')) {
		const directory = familyDirectory(basename(name))
		return { file: openDirectory(directory), [Symbol.dispose]: () => directory[Symbol.dispose]() }
	}
	const stepOf = (file: string) => Number(/^checkpoint-(\d+)/.exec(file)?.[1] ?? -1)
	const files = readdirSync(join(fixtures, name)).sort((a, b) => stepOf(a) - stepOf(b))
	const source = openFileSource(join(fixtures, name, files.at(-1) ?? ''))
	return { file: openCheckpoint(source), [Symbol.dispose]: () => source[Symbol.dispose]() }
}
