import { activationStackMax } from '../kernels/binding.ts'
import { describeValue, isRecord } from '../lib/json.ts'
import {
	CONTEXT_LENGTH_MIN,
	ConfigFields,
	MODEL_LIMITS,
	ModelConfigError,
} from './config-fields.ts'
import type { Activation, ActivationNode, AlphaConfig } from './model-config.ts'

/** Which of our trainer's two forms the config comes from: they differ in the default soft cap. */
export type TrainerForm = 'json' | 'binary'

/** Nodes of a composed activation. */
const GRAPH_NODES_MAX = 256

/** Characters of a path in a message: that of a hostile graph grows with its depth. */
const PATH_LENGTH_MAX = 200

/** The cap that the trainer's binary revisions apply when the file names none. */
const BINARY_SOFT_CAP = 30

const ACTIVATION_KINDS = {
	gelu: 'gelu',
	silu: 'silu',
	relu: 'relu',
	swiglu: 'swiglu',
	universal: 'universal',
	kan_spline: 'kan_spline',
	composed: 'composed',
} as const
const BASIS_OPS = ['silu', 'relu', 'gelu', 'identity', 'square'] as const

type Fields = Readonly<Record<string, unknown>>

/**
 * Turns a checkpoint's `modelConfig` into a verified config. Unknown keys are
 * ignored. Throws ModelConfigError for anything that could not be computed as it was trained.
 */
export function parseModelConfig(json: unknown, form: TrainerForm): AlphaConfig {
	const fields = new ConfigFields(json, 'modelConfig')
	const nEmbd = fields.integer('nEmbd', [1, MODEL_LIMITS.nEmbd])
	const nHead = fields.integer('nHead', [1, MODEL_LIMITS.nHead])
	if (nEmbd % nHead !== 0) fields.refuse('nHead', `a divisor of nEmbd ${nEmbd}`)
	const activation = parseActivation(fields)
	return {
		family: 'alpha',
		vocabSize: fields.integer('vocabSize', [1, MODEL_LIMITS.vocabSize]),
		contextLength: fields.integer('blockSize', [CONTEXT_LENGTH_MIN, MODEL_LIMITS.contextLength]),
		nLayer: fields.integer('nLayer', [1, MODEL_LIMITS.nLayer]),
		nEmbd,
		nHead,
		ffnDim: fields.integer('ffnDim', [1, MODEL_LIMITS.ffnDim], defaultFfnDim(nEmbd, activation)),
		activation,
		softCap: parseSoftCap(fields, form),
	}
}

/** Hidden width of the MLP when the config names none; the trainer's own rule. */
function defaultFfnDim(nEmbd: number, activation: Activation): number {
	return activation.kind === 'swiglu' ? Math.ceil(((8 / 3) * nEmbd) / 64) * 64 : 4 * nEmbd
}

function parseSoftCap(fields: ConfigFields, form: TrainerForm): number | null {
	if (fields.has('softCap')) return fields.positive('softCap')
	return form === 'json' ? null : BINARY_SOFT_CAP
}

function parseActivation(fields: ConfigFields): Activation {
	const kind = fields.oneOf('ffnActivation', ACTIVATION_KINDS, 'gelu')
	if (kind !== 'composed') return { kind }
	if (!fields.has('activationGraph')) {
		fields.refuse('activationGraph', 'a graph, because ffnActivation is composed')
	}
	return { kind, graph: parseGraph(fields.value('activationGraph')) }
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

function fail(path: string, expected: string, got: unknown): never {
	throw new ModelConfigError(
		`${path.slice(0, PATH_LENGTH_MAX)}: expected ${expected}, got ${describeValue(got)}`,
	)
}
