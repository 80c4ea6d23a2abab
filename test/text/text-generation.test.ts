import { expect, test } from 'bun:test'
import { openKernels } from '../../src/kernels/binding.ts'
import { ServerMetrics } from '../../src/server/metrics.ts'
import { RequestRecord } from '../../src/server/request-record.ts'
import { TextGeneration } from '../../src/text/text-generation.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { generationRequest } from '../engine/requests.ts'
import { randomModel, tinyConfig } from '../helpers/random-model.ts'
import { libraryPath, startEngine } from '../helpers/test-engine.ts'
import { compileNow } from './constraint/walk.ts'

test('an answer that is wholly written for the model ends as soon as the prompt is read', async () => {
	const tokenizer = createTokenizer({
		type: 'char',
		vocab: ['a', 'b', 'c'],
		merges: [],
		specialTokens: [],
		mergeOrder: 'plain',
	})
	const config = tinyConfig({ vocabSize: 3 })
	const engine = await startEngine()
	const key = await engine.load(randomModel(openKernels(libraryPath), config))
	const schema = { type: 'object', additionalProperties: false }
	const constraint = compileNow({ kind: 'schema', schema }, tokenizer, {
		vocabSize: 3,
		stopTokenIds: [],
	})
	const request = generationRequest([0, 1], { n: 2, constrained: true })
	const generation = new TextGeneration(engine.generate(key, request), {
		request: {
			generation: request,
			stop: [],
			includeStop: false,
			textBefore: '',
			skipsLeadingBlank: false,
			constraint,
		},
		tokenizer,
		meter: new ServerMetrics().generation('a', new RequestRecord(0), request),
	})
	const result = await generation.result()
	generation.close()
	engine.close()
	const choice = { text: '{}', tokens: [], finishReason: 'stop', completionTokens: 0 } as const
	expect(result).toMatchObject({ promptTokens: 2, choices: [choice, choice] })
})
