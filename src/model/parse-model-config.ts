import { activationStackMax } from '../kernels/binding.ts'
import { describeValue, isRecord } from '../lib/json.ts'
import type { Activation, ActivationNode, AlphaConfig } from './model-config.ts'

/** A model config that cannot be served; the message says what was expected and what was found. */
export class ModelConfigError extends Error {
	override readonly name = 'ModelConfigError'
}

/** Which of the two checkpoint forms the config comes from: they differ in the default soft cap. */
export type CheckpointForm = 'json' | 'binary'

/** Bounds far above any model that this server is meant for; checked before anything is allocated. */
const MODEL_LIMITS = {
	vocabSize: 1_000_000,
	blockSize: 131_072,
	nLayer: 512,
	nEmbd: 65_536,
	nHead: 4_096,
	ffnDim: 1_048_576,
} as const

/** A window of one token could neither roll nor hold what was drawn. */
const BLOCK_SIZE_MIN = 2

/** Nodes of a composed activation. */
const GRAPH_NODES_MAX = 256

/** Characters of a path in a message: that of a hostile graph grows with its depth. */
const PATH_LENGTH_MAX = 200

/** The cap that the trainer's binary revisions apply when the file names none. */
const BINARY_SOFT_CAP = 30

const SIMPLE_ACTIVATIONS = ['gelu', 'silu', 'relu', 'swiglu', 'universal', 'kan_spline'] as const
const BASIS_OPS = ['silu', 'relu', 'gelu', 'identity', 'square'] as const

type Fields = Readonly<Record<string, unknown>>

/**
 * Turns a checkpoint's `modelConfig` into a verified config. Unknown keys are
 * ignored. Throws ModelConfigError for anything that could not be computed as it was trained.
 */
export function parseModelConfig(json: unknown, form: CheckpointForm): AlphaConfig {
	const fields = toFields(json, 'modelConfig')
	const nEmbd = dimension(fields, 'nEmbd')
	const nHead = dimension(fields, 'nHead')
	if (nEmbd % nHead !== 0) {
		fail('modelConfig.nHead', `a divisor of nEmbd ${nEmbd}`, nHead)
	}
	const activation = parseActivation(fields)
	return {
		family: 'alpha',
		vocabSize: dimension(fields, 'vocabSize'),
		contextLength: dimension(fields, 'blockSize', BLOCK_SIZE_MIN),
		nLayer: dimension(fields, 'nLayer'),
		nEmbd,
		nHead,
		ffnDim: isAbsent(fields['ffnDim'])
			? defaultFfnDim(nEmbd, activation)
			: dimension(fields, 'ffnDim'),
		activation,
		softCap: parseSoftCap(fields['softCap'], form),
	}
}

/** Hidden width of the MLP when the config names none; the trainer's own rule. */
function defaultFfnDim(nEmbd: number, activation: Activation): number {
	return activation.kind === 'swiglu' ? Math.ceil(((8 / 3) * nEmbd) / 64) * 64 : 4 * nEmbd
}

function dimension(fields: Fields, key: keyof typeof MODEL_LIMITS, min = 1): number {
	const value = fields[key]
	const max = MODEL_LIMITS[key]
	if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
		fail(`modelConfig.${key}`, `an integer from ${min} to ${max}`, value)
	}
	return value
}

function parseSoftCap(value: unknown, form: CheckpointForm): number | null {
	if (isAbsent(value)) return form === 'json' ? null : BINARY_SOFT_CAP
	if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) {
		fail('modelConfig.softCap', 'a positive number', value)
	}
	return value
}

function parseActivation(fields: Fields): Activation {
	const name = fields['ffnActivation'] ?? 'gelu'
	if (name === 'composed') {
		if (isAbsent(fields['activationGraph'])) {
			fail('modelConfig.activationGraph', 'a graph, because ffnActivation is composed', undefined)
		}
		return { kind: 'composed', graph: parseGraph(fields['activationGraph']) }
	}
	const kind = SIMPLE_ACTIVATIONS.find((known) => known === name)
	if (kind === undefined) {
		fail('modelConfig.ffnActivation', `one of ${SIMPLE_ACTIVATIONS.join(', ')}, composed`, name)
	}
	return { kind }
}

function parseGraph(json: unknown): ActivationNode {
	let nodes = 0
	// `stacked` values wait on the program's stack while this node is computed.
	const parse = (value: unknown, path: string, stacked: number): ActivationNode => {
		if (++nodes > GRAPH_NODES_MAX) fail(path, `at most ${GRAPH_NODES_MAX} nodes`, 'more')
		if (stacked >= activationStackMax)
			fail(path, `at most ${activationStackMax} stacked values`, 'more')
		const node = toFields(value, path)
		switch (node['type']) {
			case 'basis': {
				const op = BASIS_OPS.find((known) => known === node['op'])
				if (op === undefined) fail(`${path}.op`, `one of ${BASIS_OPS.join(', ')}`, node['op'])
				return { type: 'basis', op }
			}
			case 'scale': {
				const factor = node['factor']
				if (typeof factor !== 'number' || !Number.isFinite(Math.fround(factor))) {
					fail(`${path}.factor`, 'a finite number', factor)
				}
				return {
					type: 'scale',
					child: parse(node['child'], `${path}.child`, stacked),
					factor,
				}
			}
			case 'add':
			case 'mul':
				return {
					type: node['type'],
					left: parse(node['left'], `${path}.left`, stacked),
					right: parse(node['right'], `${path}.right`, stacked + 1),
				}
			default:
				return fail(`${path}.type`, 'basis, scale, add or mul', node['type'])
		}
	}
	return parse(json, 'modelConfig.activationGraph', 0)
}

function toFields(value: unknown, path: string): Fields {
	return isRecord(value) ? value : fail(path, 'an object', value)
}

function isAbsent(value: unknown): value is undefined | null {
	return value === undefined || value === null
}

function fail(path: string, expected: string, got: unknown): never {
	throw new ModelConfigError(
		`${path.slice(0, PATH_LENGTH_MAX)}: expected ${expected}, got ${describeValue(got)}`,
	)
}
