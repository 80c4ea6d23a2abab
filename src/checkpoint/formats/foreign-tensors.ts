/** Tensors of other trainers under the names and in the layout of our networks. */
import type { ForeignTrainer } from '../../model/families/family.ts'
import { foreignNames, networkOf } from '../../model/families.ts'
import type { ModelConfig } from '../../model/model-config.ts'
import { CheckpointError } from './checkpoint-error.ts'
import type { StoredTensor } from './types.ts'

/**
 * Renames what a file holds; buffers that are no parameters are left out. Throws CheckpointError for
 * tensors that the network of the config does not have.
 */
export function networkTensors(
	stored: ReadonlyMap<string, StoredTensor>,
	config: ModelConfig,
	trainer: ForeignTrainer,
): ReadonlyMap<string, StoredTensor> {
	const { tensors } = networkOf(config)
	const names = foreignNames(config, trainer)
	const renamed = new Map<string, StoredTensor>()
	for (const tensor of stored.values()) {
		const name = names.tensorName(tensor.name)
		if (name === null) continue
		if (!tensors.has(name)) {
			throw new CheckpointError(
				`${tensor.name}: expected no such tensor by the config, got one: is it of another model?`,
			)
		}
		if (renamed.has(name)) throw new CheckpointError(`${tensor.name}: expected once, got twice`)
		renamed.set(name, { ...tensor, name, isTransposed: names.isTransposed(name) })
	}
	return renamed
}
