import { expect, test } from 'bun:test'
import { ModelRunner } from '../../../src/engine/worker/model-runner.ts'
import { openKernels } from '../../../src/kernels/binding.ts'
import { randomModel, tinyConfig } from '../../helpers/random-model.ts'
import { libraryPath } from '../../helpers/test-engine.ts'
import { generationRequest } from '../requests.ts'

const kernels = openKernels(libraryPath)
kernels.select('')
const limits = {
	rowsMax: 64,
	readingRowsMax: 16,
	sequencesMax: 8,
	kvBytesMax: 2 ** 20,
	guessing: { weightBytesMin: Number.POSITIVE_INFINITY, costs: 'assumed' },
} as const

test('only first tokens go before what earlier steps have, not the next ones beside them', () => {
	const runner = new ModelRunner(kernels, {
		...randomModel(kernels, tinyConfig()),
		modelKey: 1,
		limits,
	})
	const request = (length: number) => generationRequest(Array.from({ length }, (_, i) => i))
	runner.submit(1, request(4), true)
	expect(runner.step()).toMatchObject({ goesFirst: true, tokens: [{ requestId: 1 }] })
	expect(runner.step()).toMatchObject({ goesFirst: false, tokens: [{ requestId: 1 }] })
	// Too long for a step of its own beside a single stream.
	runner.submit(2, request(8), true)
	expect(runner.step()).toMatchObject({
		goesFirst: false,
		tokens: [{ requestId: 1 }, { requestId: 2 }],
	})
})
