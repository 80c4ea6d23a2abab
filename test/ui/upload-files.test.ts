import { expect, test } from 'bun:test'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findSingleModel } from '../../src/checkpoint/store/model-files.ts'
import { modelFilesOf, uploadsAmong } from '../../src/ui/page/upload-files.js'

const families = join(import.meta.dir, '../fixtures/families')

test('the page finds the files of a model that the server takes, pickles and trees aside', () => {
	let found = 0
	for (const family of readdirSync(families)) {
		const names = readdirSync(join(families, family))
		const files = modelFilesOf(names)
		const model = findSingleModel(names)
		const isPickle =
			model?.weights.some((name) => /^pytorch_model|\.(pt|pth|pkl)$/.test(name)) ?? false
		expect([family, files]).toEqual([
			family,
			model === null || isPickle ? null : [...model.weights, ...model.others],
		])
		if (files !== null) found++
	}
	expect(found).toBeGreaterThan(15)
})

test('a dropped file, a directory of a model and one of a run are told apart', () => {
	const given = (...paths: string[]) =>
		paths.map((path) => ({ path, file: new File(['x'], path.split('/').at(-1) ?? '') }))
	const { checkpoints, models } = uploadsAmong(
		given(
			'tiny.gguf',
			'run/config.json',
			'run/checkpoint-20.json',
			'run/checkpoint-3.json',
			'my model/config.json',
			'my model/model.safetensors',
			'my model/optimizer.pt',
			'stories/stories.bin',
			'stories/tokenizer.bin',
			'notes/a.txt',
		),
	)
	expect(checkpoints.map(({ name, step }) => [name, step])).toEqual([
		['run', 3],
		['run', 20],
	])
	expect(models.map(({ name, files }) => [name, files.map((file) => file.name)])).toEqual([
		['tiny', ['tiny.gguf']],
		['my-model', ['model.safetensors', 'config.json']],
		['stories', ['stories.bin', 'tokenizer.bin']],
	])
})
