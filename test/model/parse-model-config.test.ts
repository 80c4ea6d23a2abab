import { describe, expect, test } from 'bun:test'
import { parseModelConfig } from '../../src/model/parse-model-config.ts'

const base = { vocabSize: 10, blockSize: 8, nLayer: 2, nEmbd: 24, nHead: 3 }
const basis = (op: string) => ({ type: 'basis', op })
const add = (left: unknown, right: unknown) => ({ type: 'add', left, right })

/** A graph that nests `depth` times to one side. */
function chain(depth: number, side: 'left' | 'right'): unknown {
	let graph: unknown = basis('relu')
	for (let i = 0; i < depth; i++) {
		graph = side === 'left' ? add(graph, basis('gelu')) : add(basis('gelu'), graph)
	}
	return graph
}

const parseGraph = (activationGraph: unknown) =>
	parseModelConfig({ ...base, ffnActivation: 'composed', activationGraph }, 'binary').activation

describe('defaults', () => {
	test('come from the form, the activation and the width', () => {
		const { blockSize: contextLength, ...rest } = base
		expect(parseModelConfig(base, 'json')).toEqual({
			family: 'alpha',
			...rest,
			contextLength,
			ffnDim: 96,
			activation: { kind: 'gelu' },
			softCap: null,
		})
		expect(parseModelConfig(base, 'binary').softCap).toBe(30)
		expect(parseModelConfig({ ...base, ffnActivation: null, softCap: null }, 'binary')).toEqual(
			parseModelConfig(base, 'binary'),
		)
		expect(parseModelConfig({ ...base, ffnActivation: 'swiglu' }, 'binary').ffnDim).toBe(64)
		expect(parseModelConfig({ ...base, ffnDim: 7 }, 'json').ffnDim).toBe(7)
	})
})

test('a context needs room for a prompt and a token drawn from it', () => {
	expect(parseModelConfig({ ...base, blockSize: 2 }, 'json').contextLength).toBe(2)
	expect(() => parseModelConfig({ ...base, blockSize: 1 }, 'json')).toThrow(
		'modelConfig.blockSize: expected an integer from 2 to 131072, got 1',
	)
})

describe('a composed activation', () => {
	test('keeps its tree and nothing else of its nodes', () => {
		const graph = { type: 'scale', factor: 0.5, op: 'silu', child: { ...basis('square'), id: 3 } }
		const expected = { type: 'scale', factor: 0.5, child: { type: 'basis', op: 'square' } }
		expect(parseGraph(graph)).toEqual({ kind: 'composed', graph: expected } as never)
	})

	test('may stack 16 values and no more', () => {
		expect(() => parseGraph(chain(15, 'right'))).not.toThrow()
		expect(() => parseGraph(chain(16, 'right'))).toThrow('at most 16 stacked values')
		expect(() => parseGraph(chain(100, 'left'))).not.toThrow()
	})

	test('may have 256 nodes and no more', () => {
		expect(() => parseGraph(chain(127, 'left'))).not.toThrow()
		expect(() => parseGraph(chain(128, 'left'))).toThrow('at most 256 nodes')
	})

	test.each([
		[undefined, /activationGraph: expected a graph/],
		['relu', /activationGraph: expected an object, got "relu"/],
		[{}, /activationGraph.type: expected basis, scale, add or mul, got nothing/],
		[basis('tanh'), /activationGraph.op: expected one of .* got "tanh"/],
		[add(basis('relu'), null), /activationGraph.right: expected an object, got null/],
		[{ type: 'scale', factor: 1e39, child: basis('relu') }, /factor: expected a finite number/],
		[{ type: 'scale', child: basis('relu') }, /factor: expected a finite number, got nothing/],
	])('%j is refused', (graph, message) => {
		expect(() => parseGraph(graph)).toThrow(message)
	})
})
