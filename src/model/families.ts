/** The table of families: the only file that knows all of them. */
import { ConfigFields } from './config-fields.ts'
import { alpha } from './families/alpha.ts'
import type { Family, ForeignNames, ForeignTrainer, Network } from './families/family.ts'
import { gpt2, gpt2Settings } from './families/gpt2.ts'
import { llama } from './families/llama.ts'
import { nanochat } from './families/nanochat.ts'
import { neo } from './families/neo.ts'
import { neox } from './families/neox.ts'
import type { ModelConfig } from './model-config.ts'

const FAMILIES: {
	readonly [Name in ModelConfig['family']]: Family<Extract<ModelConfig, { family: Name }>>
} = { alpha, gpt2, llama, nanochat, neo, neox }

export function networkOf(config: ModelConfig): Network {
	return familyOf(config).network(config)
}

/** The config of another trainer's model. Throws ModelConfigError for what could not be computed. */
export function parseForeignConfig(json: unknown, trainer: ForeignTrainer): ModelConfig {
	const parse = gpt2Settings[trainer]
	if (parse !== undefined) return parse(json)
	const fields = new ConfigFields(json, 'config')
	if (fields.has('quantization_config')) fields.refuse('quantization_config', 'plain weights')
	fields.eachText(
		'architectures',
		(name) => /ForCausalLM$|LMHeadModel$/.test(name),
		'names that end in ForCausalLM or LMHeadModel',
	)
	const parsers = Object.values(FAMILIES).flatMap(({ foreign }) => {
		return Object.entries<(json: unknown) => ModelConfig>(foreign?.modelTypes ?? {})
	})
	return fields.oneOf('model_type', Object.fromEntries(parsers))(json)
}

/** How the trainer's files name the tensors of the config's network. */
export function foreignNames(config: ModelConfig, trainer: ForeignTrainer): ForeignNames {
	const { foreign } = familyOf(config)
	return (
		foreign?.names(config, trainer) ?? { tensorName: (stored) => stored, isTransposed: () => false }
	)
}

/** The row of the table that takes this very config. */
function familyOf(config: ModelConfig): Family<ModelConfig> {
	return FAMILIES[config.family] as Family<ModelConfig>
}
