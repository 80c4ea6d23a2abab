import type { Loader } from '../checkpoint/load/loader.ts'
import { type ExportedModel, exportHuggingFace } from '../models/hugging-face-export.ts'
import type { ModelRegistry } from '../models/registry.ts'
import { StagedRun } from './staging.ts'

/** A model written for other tools, until it is removed. */
export interface StagedExport extends ExportedModel {
	/** Where its files are. */
	readonly directory: string
	remove(): Promise<void>
}

/** Staged by itself, as the files of an upload are: what a crash leaves there, the next start sweeps. */
const NAME = 'export'

/** Writes a model in the form of Hugging Face's libraries beside the uploads of `root`. Throws Fault. */
export async function stageExport(
	source: { readonly catalog: ModelRegistry; readonly loader: Loader },
	root: string,
	name: string,
): Promise<StagedExport> {
	const staged = await StagedRun.create(root)
	try {
		const directory = staged.pathOf(NAME)
		const exported = await exportHuggingFace(source, name, directory)
		return { ...exported, directory, remove: () => staged.remove() }
	} catch (error) {
		await staged.remove()
		throw error
	}
}
