// The engine continues texts as the original code of other trainers does, whatever runs beside them.
import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Engine } from '../../src/engine/engine.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { familyAnswers, familyDirectories, loadNetwork } from '../helpers/families.ts'
import { complete, libraryPath, startEngine } from '../helpers/test-engine.ts'
import { generationRequest } from './requests.ts'

/** Gap of the two best logits below which two correct implementations may disagree. */
const NEAR_TIE = 1e-3

const kernels = openKernels(libraryPath)
kernels.select('')

let engine: Engine
beforeAll(async () => {
	engine = await startEngine({ threads: 2 })
})
afterAll(() => engine.close())

describe.each(familyDirectories())('%s', (name) => {
	test('continues greedily as the original code, all texts at once', async () => {
		const network = loadNetwork(kernels, name, 'f32')
		const key = await engine.load(network)
		const { contextLength } = network.config
		const told = familyAnswers(name).greedy.filter(({ min_top_gap: gap }) => gap > NEAR_TIE)
		const texts = await Promise.all(
			told.map(async ({ prompt_ids: prompt, ids }) => {
				const request = generationRequest(prompt, { maxTokens: ids.length })
				const { choices } = await complete(engine, { key, contextLength }, request)
				return choices[0]!.tokenIds
			}),
		)
		expect(texts).toEqual(told.map(({ ids }) => [...ids]))
		await engine.unload(key)
	})
})
