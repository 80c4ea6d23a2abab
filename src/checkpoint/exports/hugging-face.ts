/**
 * Our trainer's models as Hugging Face directories: in GPT-2's layout, which every engine knows, or
 * with a modelling file of their own, which computes all that they may have.
 */
import { LEARNED } from '../../model/families/alpha.ts'
import type { AlphaConfig } from '../../model/model-config.ts'
import { END_OF_TEXT } from '../../tokenizer/bpe.ts'
import type { TrainerTokenizerSpec } from '../../tokenizer/tokenizer.ts'
import modelingFile from './modeling_alpha.py' with { type: 'text' }
import type { OutputShape } from './safetensors-writer.ts'

/** How an export computes: as GPT-2, without a cap of scores, or with our own modelling file. */
export type HuggingFaceLayout = 'gpt2' | 'own'

/** GPT-2's names of activations; the others have none. */
const GPT2_ACTIVATIONS: Readonly<Record<string, string>> = {
	gelu: 'gelu_new',
	silu: 'silu',
	relu: 'relu',
}

const MODELING_NAME = 'modeling_alpha.py'

/** A tensor of an export: tensors of the network, one above the other, transposed where it says so. */
export interface OutputTensor extends OutputShape {
	/** Names in the network; none = zeros. */
	readonly sources: readonly string[]
	readonly isTransposed: boolean
}

/** Why a model has no GPT-2 form; null when it has one, but for a cap of scores, which that leaves out. */
export function gpt2Obstacle({ activation }: AlphaConfig): string | null {
	if (activation.kind in GPT2_ACTIVATIONS) return null
	return `GPT-2 has no activation "${activation.kind}"`
}

/** Tensors of the export; `has` tells which of the alternatives the checkpoint has. */
export function outputTensors(
	config: AlphaConfig,
	layout: HuggingFaceLayout,
	has: (name: string) => boolean,
): OutputTensor[] {
	return layout === 'gpt2' ? gpt2Tensors(config, has) : ownTensors(config, has)
}

/** Text files beside the weights and the tokenizer. */
export function outputFiles(
	config: AlphaConfig,
	layout: HuggingFaceLayout,
	{ vocab, specialTokens }: TrainerTokenizerSpec,
	dtype: string,
): Readonly<Record<string, string>> {
	const end = specialTokens.includes(END_OF_TEXT) ? vocab.lastIndexOf(END_OF_TEXT) : null
	const ends = end === null ? {} : { eos_token_id: end }
	const sizes = {
		vocab_size: config.vocabSize,
		n_positions: config.contextLength,
		n_embd: config.nEmbd,
		n_layer: config.nLayer,
		n_head: config.nHead,
		n_inner: config.ffnDim,
		tie_word_embeddings: false,
		bos_token_id: null,
		eos_token_id: end,
		torch_dtype: dtype,
	}
	const template = chatTemplate(specialTokens)
	return {
		'config.json': json(
			layout === 'gpt2' ? { ...gpt2Config(config), ...sizes } : { ...ownConfig(config), ...sizes },
		),
		'generation_config.json': json({ ...ends, do_sample: true, temperature: 0.7, top_k: 40 }),
		'tokenizer_config.json': json({
			tokenizer_class: 'PreTrainedTokenizerFast',
			model_max_length: config.contextLength,
			clean_up_tokenization_spaces: false,
			...(end === null ? {} : { eos_token: END_OF_TEXT }),
			...(template === null ? {} : { chat_template: template }),
		}),
		...(layout === 'own' ? { [MODELING_NAME]: modelingFile } : {}),
	}
}

function json(value: object): string {
	return `${JSON.stringify(value, null, 2)}\n`
}

function gpt2Config({ activation }: AlphaConfig) {
	return {
		architectures: ['GPT2LMHeadModel'],
		model_type: 'gpt2',
		activation_function: GPT2_ACTIVATIONS[activation.kind],
		layer_norm_epsilon: 1e-5,
		attn_pdrop: 0,
		embd_pdrop: 0,
		resid_pdrop: 0,
	}
}

function ownConfig({ activation, softCap }: AlphaConfig) {
	const module = MODELING_NAME.replace('.py', '')
	return {
		architectures: ['AlphaForCausalLM'],
		model_type: 'alpha',
		auto_map: {
			AutoConfig: `${module}.AlphaConfig`,
			AutoModelForCausalLM: `${module}.AlphaForCausalLM`,
		},
		activation: activation.kind,
		activation_graph: activation.kind === 'composed' ? activation.graph : null,
		soft_cap: softCap,
	}
}

/** GPT-2's matrices are [in, out] and have biases, which are zeros here. */
function gpt2Tensors(config: AlphaConfig, has: (name: string) => boolean): OutputTensor[] {
	const { vocabSize, contextLength, nEmbd, nLayer, ffnDim } = config
	const prefix = 'transformer.'
	const tensors: OutputTensor[] = [
		copied(`${prefix}wte.weight`, [vocabSize, nEmbd], 'wte'),
		copied(`${prefix}wpe.weight`, [contextLength, nEmbd], 'wpe'),
	]
	for (let i = 0; i < nLayer; i++) {
		const [theirs, ours] = [`${prefix}h.${i}.`, `layer.${i}.`]
		tensors.push(
			...norm(`${theirs}ln_1`, `${ours}ln1`, nEmbd),
			...conv(`${theirs}attn.c_attn`, [nEmbd, 3 * nEmbd], qkvSources(ours, has)),
			...conv(`${theirs}attn.c_proj`, [nEmbd, nEmbd], [`${ours}attn.wo`]),
			...norm(`${theirs}ln_2`, `${ours}ln2`, nEmbd),
			...conv(`${theirs}mlp.c_fc`, [nEmbd, ffnDim], [`${ours}mlp.fc1`]),
			...conv(`${theirs}mlp.c_proj`, [ffnDim, nEmbd], [`${ours}mlp.fc2`]),
		)
	}
	tensors.push(
		...norm(`${prefix}ln_f`, 'lnF', nEmbd),
		copied('lm_head.weight', [vocabSize, nEmbd], 'lmHead'),
	)
	return tensors
}

/** Names and shapes of the modelling file, which are nearly ours. */
function ownTensors(config: AlphaConfig, has: (name: string) => boolean): OutputTensor[] {
	const { vocabSize, contextLength, nEmbd, nLayer, ffnDim, activation } = config
	const tensors: OutputTensor[] = [
		copied('wte.weight', [vocabSize, nEmbd], 'wte'),
		copied('wpe.weight', [contextLength, nEmbd], 'wpe'),
	]
	for (let i = 0; i < nLayer; i++) {
		const [theirs, ours] = [`layers.${i}.`, `layer.${i}.`]
		const mlp = (name: string, shape: readonly number[], suffix = '.weight') =>
			copied(`${theirs}mlp.${name}${suffix}`, shape, `${ours}mlp.${name}`)
		tensors.push(
			...norm(`${theirs}ln1`, `${ours}ln1`, nEmbd),
			{
				name: `${theirs}wqkv.weight`,
				shape: [3 * nEmbd, nEmbd],
				sources: qkvSources(ours, has),
				isTransposed: false,
			},
			copied(`${theirs}wo.weight`, [nEmbd, nEmbd], `${ours}attn.wo`),
			...norm(`${theirs}ln2`, `${ours}ln2`, nEmbd),
			...(activation.kind === 'swiglu'
				? [
						mlp('fc_gate', [ffnDim, nEmbd]),
						mlp('fc_up', [ffnDim, nEmbd]),
						mlp('fc_proj', [nEmbd, ffnDim]),
					]
				: [mlp('fc1', [ffnDim, nEmbd]), mlp('fc2', [nEmbd, ffnDim])]),
			...(LEARNED[activation.kind] ?? []).map((name) => mlp(name, [1, ffnDim], '')),
		)
	}
	tensors.push(...norm('lnF', 'lnF', nEmbd), copied('lmHead.weight', [vocabSize, nEmbd], 'lmHead'))
	return tensors
}

export function qkvSources(layer: string, has: (name: string) => boolean): readonly string[] {
	const fused = `${layer}attn.wqkv`
	return has(fused) ? [fused] : ['wq', 'wk', 'wv'].map((name) => `${layer}attn.${name}`)
}

function copied(name: string, shape: readonly number[], source: string): OutputTensor {
	return { name, shape, sources: [source], isTransposed: false }
}

function norm(name: string, source: string, width: number): OutputTensor[] {
	return ['weight', 'bias'].map((part) => copied(`${name}.${part}`, [width], `${source}.${part}`))
}

/** A matrix [in, out] and its bias. */
function conv(
	name: string,
	shape: readonly [number, number],
	sources: readonly string[],
): OutputTensor[] {
	return [
		{ name: `${name}.weight`, shape, sources, isTransposed: true },
		{ name: `${name}.bias`, shape: [shape[1]], sources: [], isTransposed: false },
	]
}

/** The prompts of `text/chat-template.ts` as a template; null for models without chat tokens. */
export function chatTemplate(specialTokens: readonly string[]): string | null {
	const roles = ['<|user|>', '<|assistant|>', END_OF_TEXT]
	if (!roles.every((role) => specialTokens.includes(role))) return null
	return [
		'{%- set ns = namespace(side="") -%}',
		'{%- for message in messages -%}',
		'{%- set side = "assistant" if message["role"] == "assistant" else "user" -%}',
		'{%- if side != ns.side -%}',
		'{{- (" " if ns.side else "") + "<|" + side + "|>" -}}',
		'{%- endif -%}',
		'{{- " " + message["content"] -}}',
		'{%- set ns.side = side -%}',
		'{%- endfor -%}',
		'{%- if add_generation_prompt and ns.side != "assistant" -%}{{- " <|assistant|>" -}}{%- endif -%}',
	].join('')
}
