/*
 * Networks as llama.cpp computes them: which architecture of GGUF a config is, with which key-values and
 * tensors. What it does not compute is said in words, before anything is written.
 */
import { networkOf } from '../../model/families.ts'
import type { ModelConfig, RotaryConfig } from '../../model/model-config.ts'
import { frequencyDivisors } from '../../model/rotary.ts'
import { GGUF_ARCHITECTURES } from '../formats/gguf-models.ts'
import type { RowOrder } from '../formats/row-order.ts'
import type { GgufField } from './gguf-writer.ts'
import { qkvSources } from './hugging-face.ts'

export interface GgufModelTensor {
	readonly name: string
	readonly shape: readonly number[]
	/** Tensors of the network, one above the other; none = zeros. */
	readonly sources: readonly string[]
	/** Where the file has another order of rows than the network. */
	readonly order?: RowOrder | undefined
	/** Numbers that follow those of the sources. */
	readonly numbers?: Float32Array
}

export interface GgufModel {
	readonly architecture: string
	/** Keys behind the architecture's name. */
	readonly values: ReadonlyMap<string, GgufField>
	readonly tensors: readonly GgufModelTensor[]
}

/** Why llama.cpp cannot compute a network; null when it can, or nearly (`ggufApproximation`). */
export function ggufObstacle(config: ModelConfig): string | null {
	switch (config.family) {
		case 'alpha':
			if (config.activation.kind === 'gelu') return null
			return `llama.cpp's gpt2 has no activation "${config.activation.kind}"`
		case 'gpt2':
			if (!config.activation.startsWith('gelu')) {
				return `llama.cpp's gpt2 has no activation "${config.activation}"`
			}
			if (!config.scalesScores) return "llama.cpp's gpt2 has no scale_attn_weights false"
			if (!config.scalesScoresByLayer) return null
			return "llama.cpp's gpt2 has no scale_attn_by_inverse_layer_idx"
		case 'llama': {
			const { activation, windows, contextLength, rotary, headDim } = config
			if (activation !== 'swiglu') return `llama.cpp's llama has no activation "${activation}"`
			if (windows.some((window) => window > 0 && window < contextLength)) {
				return "llama.cpp's llama has no sliding_window"
			}
			if (rotary.channels !== headDim) return "llama.cpp's llama has no partial_rotary_factor"
			if (config.normsHeads && (config.hasQkvBias || config.hasAttentionOutBias)) {
				return "llama.cpp's qwen3 has no attention_bias"
			}
			return rotaryObstacle(rotary)
		}
		case 'neox':
			if (!config.activation.startsWith('gelu')) {
				return `llama.cpp's gptneox has no activation "${config.activation}"`
			}
			return rotaryObstacle(config.rotary)
		default:
			return `llama.cpp has no architecture for the family ${config.family}`
	}
}

function rotaryObstacle({ scaling }: RotaryConfig): string | null {
	const isKnown = ['none', 'linear', 'llama3', 'divisors'].includes(scaling.kind)
	return isKnown ? null : `rope_scaling ${scaling.kind} is not exported to GGUF`
}

/** What llama.cpp computes instead of a config, and what that leaves out; null = the same. */
export function ggufApproximation(
	config: ModelConfig,
): { readonly config: ModelConfig; readonly loss: string } | null {
	if (config.family === 'alpha' && config.softCap !== null) {
		const loss = `has no cap of attention scores (${config.softCap} here)`
		return { config: { ...config, softCap: null }, loss }
	}
	const hasExactGelu =
		(config.family === 'gpt2' || config.family === 'neox') && config.activation === 'gelu_erf'
	if (!hasExactGelu) return null
	return { config: { ...config, activation: 'gelu' }, loss: "has GELU's tanh form only" }
}

/** `has` tells which of the alternatives the checkpoint has. */
export function ggufModel(config: ModelConfig, has: (name: string) => boolean): GgufModel {
	const architecture = architectureOf(config)
	const tensors = [
		...networkTensors(architecture, config, has),
		...missingBiases(architecture, config, has),
		...frequencies(config),
	]
	return { architecture, values: valuesOf(config), tensors }
}

function architectureOf(config: ModelConfig): string {
	if (config.family === 'neox') return 'gptneox'
	if (config.family !== 'llama') return 'gpt2'
	if (config.normsHeads) return 'qwen3'
	const hasQwenBiases = config.hasQkvBias && !config.hasAttentionOutBias && !config.hasMlpBias
	return hasQwenBiases ? 'qwen2' : 'llama'
}

function valuesOf(config: ModelConfig): ReadonlyMap<string, GgufField> {
	if (!('ffnDim' in config)) throw new TypeError(`no GGUF form for ${config.family}`)
	const values = new Map<string, GgufField>([
		['context_length', { u32: config.contextLength }],
		['embedding_length', { u32: config.nEmbd }],
		['feed_forward_length', { u32: config.ffnDim }],
		['block_count', { u32: config.nLayer }],
		['attention.head_count', { u32: config.nHead }],
	])
	if (config.family === 'llama') {
		values.set('attention.layer_norm_rms_epsilon', { f32: config.normEpsilon })
		values.set('attention.head_count_kv', { u32: config.nKvHead })
		values.set('attention.key_length', { u32: config.headDim })
		values.set('attention.value_length', { u32: config.headDim })
	} else {
		const epsilon = config.family === 'alpha' ? 1e-5 : config.normEpsilon
		values.set('attention.layer_norm_epsilon', { f32: epsilon })
	}
	if (config.family === 'neox') values.set('use_parallel_residual', { flag: config.isParallel })
	if ('rotary' in config) {
		const { channels, theta, scaling } = config.rotary
		values.set('rope.dimension_count', { u32: channels })
		values.set('rope.freq_base', { f32: theta })
		if (scaling.kind === 'linear') {
			values.set('rope.scaling.type', { text: 'linear' })
			values.set('rope.scaling.factor', { f32: scaling.factor })
		}
	}
	return values
}

/** The network's own tensors under the file's names. */
function networkTensors(
	architecture: string,
	config: ModelConfig,
	has: (name: string) => boolean,
): GgufModelTensor[] {
	const { rowOrder } = GGUF_ARCHITECTURES[architecture]!
	const { tensors } = networkOf(config)
	return ggufNames(architecture, config, has).map(([name, sources]) => {
		const shapes = sources.map((source) => tensors.get(source)!.shape)
		const rows = shapes.reduce((sum, [count]) => sum + count!, 0)
		const order = rowOrder?.(sources[0]!, config)
		return { name, shape: [rows, ...shapes[0]!.slice(1)], sources, order }
	})
}

/** Each tensor of the file with those of the network that it consists of. */
function ggufNames(
	architecture: string,
	config: ModelConfig,
	has: (name: string) => boolean,
): (readonly [name: string, sources: readonly string[]])[] {
	const { tensors, layerTensors, layerPrefix } = GGUF_ARCHITECTURES[architecture]!
	const own = networkOf(config).tensors
	const found: (readonly [string, readonly string[]])[] = []
	const add = (name: string, ours: string) => {
		for (const kind of ['weight', 'bias']) {
			const sources = sourcesOf(config, `${ours}.${kind}`, has)
			if (sources.every((source) => own.has(source))) found.push([`${name}.${kind}`, sources])
		}
	}
	for (const [name, ours] of Object.entries(tensors)) add(name, ours)
	for (let i = 0; i < config.nLayer; i++) {
		for (const [name, ours] of Object.entries(layerTensors)) {
			add(`blk.${i}.${name}`, `${layerPrefix}.${i}.${ours}`)
		}
	}
	return found
}

/** What a tensor of the architecture's own network is in that of the config. */
function sourcesOf(
	config: ModelConfig,
	name: string,
	has: (name: string) => boolean,
): readonly string[] {
	if (config.family === 'alpha') return alphaSources(name, has)
	if (config.family === 'gpt2' && config.splitsQkv && name.includes('.c_attn.')) {
		return ['query', 'key', 'value'].map((part) => name.replace('c_attn', part))
	}
	return [name]
}

/** Our trainer's tensors for one of GPT-2's, which has biases where ours has none. */
function alphaSources(name: string, has: (name: string) => boolean): readonly string[] {
	const [, prefix = '', module = '', kind] = /^(?:h\.(\d+)\.)?(.*)\.(weight|bias)$/.exec(name) ?? []
	const layer = prefix === '' ? '' : `layer.${prefix}.`
	const ours = ALPHA_MODULES[module]!
	if (module.includes('ln_')) return [`${layer}${ours}.${kind}`]
	if (kind === 'bias') return [name]
	return module === 'attn.c_attn' ? qkvSources(layer, has) : [`${layer}${ours}`]
}

const ALPHA_MODULES: Readonly<Record<string, string>> = {
	wte: 'wte',
	wpe: 'wpe',
	ln_1: 'ln1',
	'attn.c_attn': 'attn.wqkv',
	'attn.c_proj': 'attn.wo',
	ln_2: 'ln2',
	'mlp.c_fc': 'mlp.fc1',
	'mlp.c_proj': 'mlp.fc2',
	ln_f: 'lnF',
	lm_head: 'lmHead',
}

/** Modules that always have biases in llama.cpp. */
const BIASED: Readonly<Record<string, readonly string[]>> = {
	gpt2: ['attn_norm', 'attn_qkv', 'attn_output', 'ffn_norm', 'ffn_up', 'ffn_down'],
	gptneox: ['attn_norm', 'attn_qkv', 'attn_output', 'ffn_norm', 'ffn_up', 'ffn_down'],
}

function missingBiases(
	architecture: string,
	config: ModelConfig,
	has: (name: string) => boolean,
): GgufModelTensor[] {
	if (BIASED[architecture] === undefined) return []
	const present = new Map(
		networkTensors(architecture, config, has).map(({ name, shape }) => [name, shape]),
	)
	const modules = [
		'output_norm',
		...Array.from({ length: config.nLayer }, (_, i) =>
			BIASED[architecture]!.map((name) => `blk.${i}.${name}`),
		).flat(),
	]
	return modules
		.filter((module) => !present.has(`${module}.bias`))
		.map((module) => {
			const [rows] = present.get(`${module}.weight`)!
			return { name: `${module}.bias`, shape: [rows!], sources: [] }
		})
}

/** Frequencies that were stretched each by its own factor; llama.cpp reads them from a tensor. */
function frequencies(config: ModelConfig): GgufModelTensor[] {
	if (config.family !== 'llama') return []
	const { scaling } = config.rotary
	if (scaling.kind !== 'llama3' && scaling.kind !== 'divisors') return []
	const numbers = frequencyDivisors(config.rotary)
	return [{ name: 'rope_freqs.weight', shape: [numbers.length], sources: [], numbers }]
}
