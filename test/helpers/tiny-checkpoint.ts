/** Checkpoint files in both forms, small enough to be damaged in every way a test can think of. */
import { networkOf } from '../../src/model/families.ts'
import { parseModelConfig } from '../../src/model/parse-model-config.ts'
import { uniform } from './random-model.ts'

export interface TinyTensor {
	name: string
	shape: unknown
	/** Any JSON in the JSON form; the binary form takes numbers. */
	data: unknown
}

/** A checkpoint as plain data, to be changed at will before it is written. */
export interface TinyCheckpoint {
	modelConfig: Record<string, unknown>
	tokenizerArtifacts: unknown
	step: unknown
	tensors: TinyTensor[]
}

/** A whole checkpoint with seeded weights; `config` overrides its modelConfig. */
export function tinyCheckpoint(config: Record<string, unknown> = {}, seed = 1): TinyCheckpoint {
	const modelConfig = { vocabSize: 3, blockSize: 4, nLayer: 1, nEmbd: 4, nHead: 2, ...config }
	const { tensors } = networkOf(parseModelConfig(modelConfig, 'json'))
	const next = uniform(seed)
	return {
		modelConfig,
		tokenizerArtifacts: { type: 'char', vocabSize: 3, vocab: ['a', 'b', 'c'] },
		step: 7,
		tensors: [...tensors.values()]
			.filter(({ name }) => !name.endsWith('wqkv'))
			.map(({ name, shape }) => {
				const count = shape.reduce((product, size) => product * size, 1)
				const data = Array.from({ length: count }, () => Math.fround(next() - 0.5))
				return { name, shape: [...shape], data }
			}),
	}
}

/** The tensor of that name, to be changed. */
export function tensorOf(checkpoint: TinyCheckpoint, name: string): TinyTensor {
	const tensor = checkpoint.tensors.find((each) => each.name === name)
	if (tensor === undefined) throw new Error(`no tensor ${name}`)
	return tensor
}

/** As v1 of the trainer writes it, with optimizer state. */
export function toJsonForm(checkpoint: TinyCheckpoint): Buffer {
	const params = checkpoint.tensors.map(
		({ name, ...tensor }) => `${JSON.stringify(name)}:${JSON.stringify(tensor)}`,
	)
	const buffers = { 'wte.m': { shape: [2], data: [0.5, -1e-9] } }
	return Buffer.from(
		`{"modelConfig":${JSON.stringify(checkpoint.modelConfig)},"params":{${params.join()}},` +
			`"optimizerState":${JSON.stringify({ step: 7, buffers })},` +
			`"tokenizerArtifacts":${JSON.stringify(checkpoint.tokenizerArtifacts ?? null)},` +
			`"rngState":42,"configHash":"5e080ed8","step":${JSON.stringify(checkpoint.step)}}`,
	)
}

/** As later revisions write it, with an optimizer tensor in the middle. */
export function toBinaryForm(
	checkpoint: TinyCheckpoint,
	editHeader: (header: BinaryHeader) => void = () => {},
): Buffer {
	const optimizer = { name: 'o.wte.m', shape: [2], data: [0.5, Number.NaN] }
	const stored = checkpoint.tensors.map((tensor) => ({ ...tensor, name: `p.${tensor.name}` }))
	stored.splice(1, 0, optimizer)
	const header: BinaryHeader = {
		modelConfig: checkpoint.modelConfig,
		step: checkpoint.step,
		tokenizerArtifacts: checkpoint.tokenizerArtifacts,
		tensors: stored.map(({ name, shape, data }) => {
			return { name, shape, elements: (data as number[]).length }
		}),
	}
	editHeader(header)
	const data = stored.flatMap((tensor) => tensor.data as number[])
	return withHeader(JSON.stringify(header), Buffer.from(Float32Array.from(data).buffer))
}

export interface BinaryHeader {
	modelConfig: unknown
	step: unknown
	tokenizerArtifacts: unknown
	tensors: unknown
}

/** A binary file with any text as its header. */
export function withHeader(header: string, data: Uint8Array): Buffer {
	const text = Buffer.from(header)
	const preamble = Buffer.from('ALPH\0\0\0\0')
	preamble.writeUInt32LE(text.length, 4)
	return Buffer.concat([preamble, text, data])
}
