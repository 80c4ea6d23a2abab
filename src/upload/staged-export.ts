import type { Loader } from '../checkpoint/load/loader.ts'
import type { CheckpointStore } from '../checkpoint/store/store.ts'
import { type ExportedModel, exportHuggingFace } from '../models/hugging-face-export.ts'
import type { ModelRegistry } from '../models/registry.ts'
import { StagedRun } from './staging.ts'

/** A model written for other tools, until it is removed. */
export interface StagedExport extends ExportedModel {
	/** Where its files are. */
	readonly directory: string
	remove(): Promise<void>
}

interface ExportSource {
	readonly catalog: ModelRegistry
	readonly loader: Loader
	readonly store: CheckpointStore
}

/** Staged by itself, as the files of an upload are: what a crash leaves there, the next start sweeps. */
const NAME = 'export'

/** Writes a model in the form of Hugging Face's libraries beside the uploads of its store. Throws Fault, and the reason of `signal` when that fires. */
export async function stageExport(
	{ catalog, loader, store }: ExportSource,
	name: string,
	signal: AbortSignal,
): Promise<StagedExport> {
	await store.expectThere()
	const staged = await StagedRun.create(store.directory)
	try {
		const directory = staged.pathOf(NAME)
		const exported = await exportHuggingFace({ catalog, loader }, name, directory, signal)
		// Who has gone since would leave it here.
		signal.throwIfAborted()
		return { ...exported, directory, remove: () => staged.remove() }
	} catch (error) {
		await staged.remove()
		throw error
	}
}
