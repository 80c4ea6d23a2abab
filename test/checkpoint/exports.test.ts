/** Models as Hugging Face directories. `test/families/exports.ts` shows that transformers computes the same from them. */
import { describe, expect, test } from 'bun:test'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportCheckpoint, type HuggingFaceExport } from '../../src/checkpoint/exports/export.ts'
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import goldens from '../fixtures/exports.json' with { type: 'json' }
import { tempDir } from '../helpers/temp-dir.ts'
import { kernels, readCheckpoint } from './read-checkpoint.ts'
import { foreignTensors, readTensor } from './read-foreign.ts'

const fixtures = join(import.meta.dir, '../fixtures')

function checkpointOf(run: string): Uint8Array {
	const names = readdirSync(join(fixtures, run)).filter((name) => /^checkpoint-/.test(name))
	const step = (name: string) => Number(name.match(/\d+/)?.[0])
	const newest = names.sort((a, b) => step(a) - step(b)).at(-1) ?? ''
	return readFileSync(join(fixtures, run, newest))
}

function exported(
	run: string,
	request: Pick<HuggingFaceExport, 'layout' | 'dtype'>,
	parent: string,
) {
	const directory = join(parent, run)
	const file = openCheckpoint(memorySource(checkpointOf(run)))
	const report = exportCheckpoint(kernels, file, {
		...request,
		format: 'hf',
		directory,
		card: '# card\n',
	})
	const read = (name: string) => readFileSync(join(directory, name))
	return { directory, report, read, json: (name: string) => JSON.parse(read(name).toString()) }
}

function sha256(bytes: Uint8Array): string {
	return createHash('sha256').update(bytes).digest('hex')
}

describe.each(Object.entries(goldens))('%s', (run, { layout, files }) => {
	test('is what transformers was seen to read', () => {
		using parent = tempDir()
		const { report, read } = exported(
			run,
			{ layout: layout as HuggingFaceExport['layout'], dtype: 'f32' },
			parent.path,
		)
		const found = report.files.filter((name) => name !== 'README.md')
		expect(Object.fromEntries(found.map((name) => [name, sha256(read(name))]))).toEqual(files)
	})
})

describe("GPT-2's layout", () => {
	test('has matrices as [in, out], and biases of zeros', () => {
		using parent = tempDir()
		const { read } = exported('v1-char', { layout: 'gpt2', dtype: 'f32' }, parent.path)
		const tensors = foreignTensors('model.safetensors', read('model.safetensors'))
		const { numbers } = readCheckpoint(checkpointOf('v1-char'))
		const ours = numbers.get('layer.0.mlp.fc1')!
		const theirs = readTensor(tensors.get('transformer.h.0.mlp.c_fc.weight')!)
		const [inputs, outputs] = [24, ours.length / 24]
		expect(theirs[3 * outputs + 5]).toBe(ours[5 * inputs + 3]!)
		const bias = readTensor(tensors.get('transformer.h.0.mlp.c_fc.bias')!)
		expect(bias).toEqual(new Float32Array(outputs))
	})

	test('names no token that pads: a real one would be masked', () => {
		using parent = tempDir()
		const { json } = exported('v1-char', { layout: 'gpt2', dtype: 'f32' }, parent.path)
		expect(json('config.json').pad_token_id).toBeUndefined()
		expect(json('generation_config.json').pad_token_id).toBeUndefined()
	})
})

test('bf16 has half the bytes, rounded to nearest', () => {
	using parent = tempDir()
	const { read, json } = exported('v1-char', { layout: 'gpt2', dtype: 'bf16' }, parent.path)
	const tensors = foreignTensors('model.safetensors', read('model.safetensors'))
	const { numbers } = readCheckpoint(checkpointOf('v1-char'))
	const [ours, theirs] = [numbers.get('wte')!, readTensor(tensors.get('transformer.wte.weight')!)]
	for (const [i, number] of theirs.entries()) {
		expect(Math.abs(number - ours[i]!)).toBeLessThanOrEqual(Math.abs(ours[i]!) * 2 ** -8)
	}
	expect(json('config.json').torch_dtype).toBe('bfloat16')
})

test('a chat model has its prompts as a template', () => {
	using parent = tempDir()
	const { json } = exported('v2-bpe-chat', { layout: 'own', dtype: 'f32' }, parent.path)
	const { chat_template, eos_token } = json('tokenizer_config.json')
	expect(chat_template).toContain('add_generation_prompt')
	expect(eos_token).toBe('<|end_of_text|>')
})

test('where a tokenizer cannot be the same is said', () => {
	using parent = tempDir()
	const { report } = exported('v2-bpe-heap', { layout: 'gpt2', dtype: 'f32' }, parent.path)
	expect(report.differences.join()).toContain('merges with itself')
	const words = exported('v1-word', { layout: 'gpt2', dtype: 'f32' }, parent.path)
	expect(words.report.differences.join()).toContain('a word that the vocabulary lacks is an error')
})

test('a directory that is there is left alone', () => {
	using parent = tempDir()
	mkdirSync(join(parent.path, 'v1-char'))
	const again = () => exported('v1-char', { layout: 'gpt2', dtype: 'f32' }, parent.path)
	expect(again).toThrow('does not exist yet')
	expect(readdirSync(join(parent.path, 'v1-char'))).toEqual([])
})

test('an export that is given up leaves nothing of what it had written', () => {
	using parent = tempDir()
	const directory = join(parent.path, 'given-up')
	const file = openCheckpoint(memorySource(checkpointOf('v2-swiglu')))
	const request = { format: 'hf', layout: 'own', dtype: 'f32', card: '', directory } as const
	let tensors = 0
	const checkIn = () => {
		if (++tensors === 3) throw new Error('given up')
	}
	expect(() => exportCheckpoint(kernels, file, request, checkIn)).toThrow('given up')
	expect([tensors, readdirSync(parent.path)]).toEqual([3, []])
})
