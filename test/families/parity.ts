/**
 * Random models of transformers in many shapes, computed by it and by us: `bun test/families/parity.ts`
 * prints how far the logits are apart and whether the greedy continuations are the same; status 1 when
 * something differs. Installs torch and transformers (some gigabytes) into a directory that git ignores,
 * or takes the interpreter in PARITY_PYTHON, which must have both.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKernels } from '../../src/kernels/binding.ts'
import { loadNetwork } from '../helpers/families.ts'
import { forwardPass } from '../helpers/forward-pass.ts'
import { libraryPath } from '../helpers/test-engine.ts'

const PACKAGES = ['torch==2.15.0', 'transformers==5.24.0', 'numpy==2.3.5']
const CACHE = join(import.meta.dir, '../../node_modules/.cache/parity')

/** Logits of such sizes agree to their last bits: the smallest mistake shows from 1e-4 on. */
const LOGIT_TOLERANCE = 1e-4
/** Gap of the two best logits below which two correct implementations may disagree. */
const NEAR_TIE = 1e-3
const GREEDY_TOKENS = 16

interface Shape {
	readonly name: string
	readonly type: string
	readonly config: Readonly<Record<string, unknown>>
	/** Positions that it was made for. */
	readonly context: number
}

const gpt2 = (name: string, context: number, config: object): Shape => ({
	name,
	type: 'gpt2',
	context,
	config: { n_layer: 2, n_positions: context, bos_token_id: 0, eos_token_id: 0, ...config },
})
const rotary = (name: string, type: string, context: number, config: object): Shape => ({
	name,
	type,
	context,
	config: {
		num_hidden_layers: 2,
		max_position_embeddings: context,
		bos_token_id: 0,
		eos_token_id: 0,
		...config,
	},
})

const small = {
	vocab_size: 300,
	hidden_size: 64,
	intermediate_size: 100,
	num_attention_heads: 4,
	num_key_value_heads: 2,
}

const SHAPES: readonly Shape[] = [
	gpt2('heads of 11 channels', 64, { vocab_size: 300, n_embd: 66, n_head: 6 }),
	gpt2('one head', 96, { vocab_size: 513, n_embd: 40, n_head: 1 }),
	gpt2('heads of one channel', 32, { vocab_size: 300, n_embd: 8, n_head: 8 }),
	gpt2('vocabulary of 50,257', 128, { vocab_size: 50_257, n_embd: 48, n_head: 3 }),
	gpt2('context of 2,048', 2048, { vocab_size: 700, n_embd: 64, n_head: 4 }),
	gpt2('own hidden width, relu, own head', 64, {
		vocab_size: 301,
		n_embd: 52,
		n_head: 4,
		n_inner: 77,
		activation_function: 'relu',
		tie_word_embeddings: false,
	}),
	gpt2('scores scaled by layer', 64, {
		vocab_size: 300,
		n_embd: 36,
		n_head: 3,
		n_layer: 5,
		scale_attn_by_inverse_layer_idx: true,
	}),
	rotary('groups of 3, heads of 20', 'llama', 128, {
		vocab_size: 611,
		hidden_size: 72,
		intermediate_size: 130,
		num_attention_heads: 6,
		num_key_value_heads: 2,
		head_dim: 20,
	}),
	rotary('context of 2,048, tied', 'llama', 2048, {
		vocab_size: 400,
		hidden_size: 64,
		intermediate_size: 96,
		num_attention_heads: 4,
		num_key_value_heads: 1,
		tie_word_embeddings: true,
	}),
	rotary('window of 7', 'mistral', 96, {
		vocab_size: 300,
		hidden_size: 48,
		intermediate_size: 100,
		num_attention_heads: 4,
		num_key_value_heads: 2,
		sliding_window: 7,
	}),
	rotary('biases of queries, keys, values', 'qwen2', 128, {
		vocab_size: 999,
		hidden_size: 56,
		intermediate_size: 120,
		num_attention_heads: 4,
		num_key_value_heads: 2,
	}),
	rotary('normed heads of 24', 'qwen3', 128, {
		vocab_size: 1000,
		hidden_size: 60,
		intermediate_size: 121,
		num_attention_heads: 5,
		num_key_value_heads: 1,
		head_dim: 24,
	}),
	rotary('YaRN', 'llama', 160, {
		...small,
		rope_parameters: {
			rope_type: 'yarn',
			rope_theta: 10_000,
			factor: 4,
			original_max_position_embeddings: 40,
		},
	}),
	rotary('YaRN with weights and borders of its own', 'qwen2', 160, {
		...small,
		rope_parameters: {
			rope_type: 'yarn',
			rope_theta: 5000,
			factor: 2.5,
			original_max_position_embeddings: 64,
			mscale: 0.7,
			mscale_all_dim: 0.4,
			beta_fast: 20,
			beta_slow: 2,
			truncate: false,
		},
	}),
	// Of a longer context than the first one only that is served.
	rotary('LongRoPE', 'llama', 64, {
		...small,
		max_position_embeddings: 256,
		rope_parameters: {
			rope_type: 'longrope',
			rope_theta: 10_000,
			original_max_position_embeddings: 64,
			short_factor: [1, 1.1, 1.3, 1.5, 1.8, 2.2, 2.7, 3.3],
			long_factor: [1, 2, 3, 4, 5, 6, 7, 8],
		},
	}),
	rotary('a quarter turned, parallel', 'gpt_neox', 128, {
		vocab_size: 515,
		hidden_size: 64,
		intermediate_size: 150,
		num_attention_heads: 4,
	}),
	rotary('all turned, in a row', 'gpt_neox', 128, {
		vocab_size: 515,
		hidden_size: 60,
		intermediate_size: 240,
		num_attention_heads: 3,
		rotary_pct: 1,
		use_parallel_residual: false,
	}),
	{
		name: 'local windows of 9',
		type: 'gpt_neo',
		context: 96,
		config: {
			vocab_size: 420,
			hidden_size: 44,
			num_layers: 4,
			num_heads: 4,
			attention_types: [[['global', 'local'], 2]],
			window_size: 9,
			max_position_embeddings: 96,
			bos_token_id: 0,
			eos_token_id: 0,
		},
	},
]

interface Answers {
	readonly parameters: number
	readonly forward: readonly {
		readonly ids: readonly number[]
		readonly logits: readonly number[]
		readonly gap: number
	}[]
	readonly prompt: readonly number[]
	readonly greedy: readonly { readonly id: number; readonly gap: number }[]
}

async function findPython(): Promise<string> {
	const given = process.env['PARITY_PYTHON']
	if (given !== undefined) return given
	const python = join(CACHE, 'bin/python')
	if (existsSync(join(CACHE, 'installed'))) return python
	await Bun.$`python3 -m venv ${CACHE}`
	await Bun.$`${python} -m pip install --quiet ${PACKAGES}`
	await Bun.write(join(CACHE, 'installed'), PACKAGES.join('\n'))
	return python
}

const kernels = openKernels(libraryPath)
kernels.select('')

/** Our numbers beside the original's. */
function compare(path: string, answers: Answers) {
	const forward = forwardPass(kernels, loadNetwork(kernels, path, 'f32'))
	const predict = (ids: readonly number[]) => forward(ids).logits.row(0)
	let distance = 0
	let isSame = true
	for (const { ids, logits: expected, gap } of answers.forward) {
		const logits = predict(ids)
		for (const [id, logit] of expected.entries()) {
			distance = Math.max(distance, Math.abs(logit - logits[id]!))
		}
		if (gap > NEAR_TIE) isSame &&= argmax(logits) === argmax(Float32Array.from(expected))
	}
	const ids = [...answers.prompt]
	let told = 0
	for (const { id, gap } of answers.greedy) {
		if (gap <= NEAR_TIE) break
		if (argmax(predict(ids)) !== id) isSame = false
		ids.push(id)
		told++
	}
	const scale = Math.max(...answers.forward.flatMap(({ logits }) => logits.map(Math.abs)))
	return { distance, scale, isSame, told }
}

function argmax(logits: Float32Array): number {
	return logits.reduce((best, logit, id) => (logit > logits[best]! ? id : best), 0)
}

const directory = mkdtempSync(join(tmpdir(), 'alpha-parity-'))
try {
	const cases = SHAPES.map(({ type, config, context }, i) => ({
		path: join(directory, String(i)),
		type,
		config,
		lengths: [1, 13, context - 1, context],
		greedy: GREEDY_TOKENS,
	}))
	const child = Bun.spawn([await findPython(), join(import.meta.dir, 'parity.py')], {
		stdin: new Blob(cases.map((each) => `${JSON.stringify(each)}\n`)),
		stdout: 'ignore',
		stderr: 'inherit',
		env: { ...process.env, TRANSFORMERS_VERBOSITY: 'error' },
	})
	if ((await child.exited) !== 0) throw new Error('transformers could not make the models')
	let failed = 0
	console.log('| family | shape | parameters | largest Δ logit | of at most | arg-max and greedy |')
	console.log('|---|---|---|---|---|---|')
	for (const [i, { name, type }] of SHAPES.entries()) {
		const path = cases[i]!.path
		const answers = JSON.parse(readFileSync(join(path, 'answers.json'), 'utf8')) as Answers
		const { distance, scale, isSame, told } = compare(path, answers)
		const isRight = isSame && distance < LOGIT_TOLERANCE
		if (!isRight) failed++
		const figures = `${answers.parameters} | ${distance.toExponential(1)} | ${scale.toFixed(1)}`
		const verdict = `${isSame ? 'same' : 'DIFFERENT'}, ${told} tokens${isRight ? '' : ' ✗'}`
		console.log(`| ${type} | ${name} | ${figures} | ${verdict} |`)
	}
	process.exitCode = failed === 0 ? 0 : 1
} finally {
	rmSync(directory, { recursive: true, force: true })
}
