import { afterAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ModelDirectory } from '../../src/checkpoint/formats/model-directory.ts'
import { openDirectory } from '../../src/checkpoint/formats/open.ts'
import { findStateDict } from '../../src/checkpoint/formats/state-dict.ts'
import { readTensors, verifyStructure } from '../../src/checkpoint/verify.ts'
import { families, familyDirectories } from '../helpers/families.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { kernels } from './read-checkpoint.ts'

const temp = tempDir()
afterAll(() => temp[Symbol.dispose]())

/** Verifies a directory to its last number. */
function verify(path: string) {
	const names = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isFile())
	using directory = new ModelDirectory(
		path,
		names.map(({ name }) => ({ name })),
	)
	const file = openDirectory(directory)
	const checkpoint = verifyStructure(file)
	readTensors(kernels, checkpoint, () => {})
	return { form: file.form, ...checkpoint }
}

function refusal(path: string): string {
	try {
		verify(path)
	} catch (error) {
		expect((error as Error).name).toBe('CheckpointError')
		return (error as Error).message
	}
	throw new Error(`${path} was accepted`)
}

/** A copy of a fixture with some of its files replaced. */
function changed(name: string, files: Readonly<Record<string, string>>): string {
	const path = join(temp.path, crypto.randomUUID())
	mkdirSync(path)
	cpSync(join(families, name), path, { recursive: true })
	for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text)
	return path
}

const unnamed = 'nanogpt-nometa-char'
const served = familyDirectories('gpt2', 'nanogpt').filter((name) => name !== unnamed)

describe.each(served)('the directory %s', (name) => {
	test('is a model as it lies there', () => {
		const { form, config, tokenizerSpec, step } = verify(join(families, name))
		const isBare = /^(mingpt|raschka)/.test(name)
		expect(form).toBe(
			isBare ? 'state-dict' : name.startsWith('nanogpt') ? 'nanogpt' : 'huggingface',
		)
		expect(config.family).toBe('gpt2')
		expect(tokenizerSpec.vocab.length).toBeLessThanOrEqual(config.vocabSize)
		expect(step === null).toBe(form !== 'nanogpt')
	})
})

test('a character-level model without its characters says which file is missing', () => {
	expect(refusal(join(families, unnamed))).toContain('expected meta.pkl beside the checkpoint')
})

describe('weights alone beside a config.json', () => {
	/** A copy of a fixture whose weights have another name. */
	function renamed(name: string, from: string, to: string): string {
		const path = changed(name, {})
		renameSync(join(path, from), join(path, to))
		return path
	}

	test('are a model of Hugging Face in its own layout', () => {
		const path = renamed('gpt2', 'model.safetensors', 'weights.safetensors')
		expect(verify(path)).toMatchObject({ form: 'state-dict', config: { family: 'gpt2' } })
	})

	test('of another family have the names of Hugging Face', () => {
		const path = renamed('qwen2', 'model.safetensors', 'final.safetensors')
		expect(verify(path).config.family).toBe('llama')
	})

	test('may be in the layout of linear layers', () => {
		const path = renamed('mingpt', 'model.pt', 'model.pth')
		const { model } = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))
		const sizes = { vocab_size: 520, n_positions: 40, n_embd: 48, n_layer: 3, n_head: 3 }
		const config = { ...model, ...sizes, model_type: 'gpt2', tie_word_embeddings: false }
		writeFileSync(join(path, 'config.json'), JSON.stringify(config))
		expect(verify(path).config).toMatchObject({ nLayer: 3, tiesHead: false })
	})

	test('are told from other files of a training, safetensors first', () => {
		expect(findStateDict(['optimizer.pt', 'a.pt', 'model_9.pt', 'scheduler.pt'])).toBe('model_9.pt')
		expect(findStateDict(['model.pt', 'b.safetensors'])).toBe('b.safetensors')
		expect(findStateDict(['optimizer.pt', 'training_args.bin'])).toBeUndefined()
	})

	test.each([
		['{"hidden": 3}', 'model_type: expected it, or the settings of'],
		[
			'{"emb_dim": 32, "n_heads": 5, "n_layers": 2, "vocab_size": 520, "context_length": 48}',
			'n_heads',
		],
		[
			'{"emb_dim": 32, "n_heads": 4, "n_layers": 3, "vocab_size": 520, "context_length": 48}',
			'h.2.',
		],
		['{"model_type": "gpt-huge"}', 'n_embd'],
	])('are refused with the field at fault: %s', (config, words) => {
		expect(refusal(changed('raschka', { 'config.json': config }))).toContain(words)
	})
})

test('several ids that end a text are all taken, from generation_config.json first', () => {
	const path = changed('gpt2', { 'generation_config.json': '{"eos_token_id": [0, 5]}' })
	expect(verify(path).tokenizerSpec).toMatchObject({ endTokenIds: [0, 5] })
})

test('a byte order mark in config.json is passed over', () => {
	const config = readFileSync(join(families, 'gpt2/config.json'), 'utf8')
	expect(verify(changed('gpt2', { 'config.json': `\ufeff${config}` })).step).toBeNull()
})

const index = JSON.parse(readFileSync(join(families, 'hostile/index.json'), 'utf8')) as {
	readonly executed_marker_prefix: string
	readonly cases: readonly { readonly dir: string; readonly must: string; readonly kind: string }[]
}
/** Formats that are read. */
const KINDS = [
	'safetensors',
	'sharded index',
	'config.json',
	'tokenizer',
	'pickle',
	'directory',
	'nanochat',
]
const cases = index.cases.filter(({ kind }) => KINDS.includes(kind))

/** Its added tokens have ids that the model has no rows for, so a prompt with one could not be read. */
const BEYOND_ROWS = 'tok-huge-added'

describe('of the hostile directories', () => {
	const wholesome = cases.filter(({ must, dir }) => must === 'load' && dir !== BEYOND_ROWS)
	test.each(wholesome.map(({ dir }) => dir))('%s loads', (dir) => {
		expect(verify(join(families, 'hostile', dir)).config.family).toBe('gpt2')
	})

	test.each(cases.filter(({ must }) => must === 'refuse').map(({ dir }) => dir))(
		'%s is refused in a sentence',
		(dir) => {
			expect(refusal(join(families, 'hostile', dir))).toMatch(/expected|cannot be/)
		},
	)

	test('none runs what it carries', () => {
		const prefix = index.executed_marker_prefix.split('/').at(-1)!
		expect(readdirSync('/tmp').filter((name) => name.startsWith(prefix))).toEqual([])
	})
})

test.each([
	['cfg-eps-nan', 'layer_norm_epsilon'],
	['cfg-positions-more', 'wpe.weight'],
	['cfg-layers-more', 'h.1.'],
	['cfg-notjson', 'config.json'],
	['cfg-absent', 'config.json'],
	['cfg-only', 'model.safetensors'],
	['idx-missing-shard', 'model-00002-of-00002.safetensors'],
	['idx-traversal', 'without a path'],
	['idx-absolute', 'without a path'],
	['idx-wrong-shard', 'by model.safetensors.index.json'],
	['idx-self', 'model.safetensors.index.json'],
	['st-missing-tensor', 'got no such tensor'],
	['st-wrong-shape-consistent', 'expected shape'],
	['st-transposed', 'expected shape'],
	['st-int-weight', 'got I32'],
	['ng-vocab-mismatch', 'vocab_size'],
	['ng-heads', 'n_head'],
	['ng-llama2c-ckpt', 'model_args'],
	['tok-absent', 'tokenizer.json'],
	['nc-bad-window', 'window_pattern'],
	['nc-no-meta', 'meta_000003.json'],
	['nanochat-tokenizer-evil', 'posix system'],
	['tok-larger-than-emb', 'vocabSize'],
	[BEYOND_ROWS, 'vocabSize'],
])('%s names what is wrong: %s', (dir, words) => {
	expect(refusal(join(families, 'hostile', dir))).toContain(words)
})
