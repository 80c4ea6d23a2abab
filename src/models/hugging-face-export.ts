import type { ExportReport } from '../checkpoint/exports/export-report.ts'
import { gpt2Obstacle } from '../checkpoint/exports/hugging-face.ts'
import type { Loader } from '../checkpoint/load/loader.ts'
import { Fault } from '../lib/fault.ts'
import type { ModelCard } from './catalog.ts'
import { exportCard } from './export-card.ts'
import type { ModelRegistry } from './registry.ts'

export interface ExportedModel extends ExportReport {
	readonly card: ModelCard
}

/**
 * Writes a model as a directory of Hugging Face's libraries, which computes the same as here: in GPT-2's
 * layout where that has all of it, else with a modelling file of its own. Throws Fault, `invalid` for a
 * model that came from other tools. Rejects with the reason of `signal` when that fires; then nothing stays.
 */
export function exportHuggingFace(
	{ catalog, loader }: { readonly catalog: ModelRegistry; readonly loader: Loader },
	name: string,
	directory: string,
	signal?: AbortSignal,
): Promise<ExportedModel> {
	return catalog.read(name, async ({ card, location }) => {
		const { config, parameterCount } = await loader.inspect({ location, dtype: 'f32' })
		if (config.family !== 'alpha') {
			const message = `A model of the family ${config.family} is not exported: its own files are what other tools read.`
			throw new Fault('invalid', message)
		}
		const isGpt2 = gpt2Obstacle(config) === null && config.softCap === null
		const layout = isGpt2 ? 'gpt2' : 'own'
		const remark = isGpt2
			? "exact, in GPT-2's layout"
			: 'exact, by a modelling file (trust_remote_code)'
		const text = exportCard(card, layout, remark, parameterCount)
		const request = { format: 'hf', directory, layout, dtype: 'f32', card: text } as const
		return { ...(await loader.export(location, request, signal)), card }
	})
}
