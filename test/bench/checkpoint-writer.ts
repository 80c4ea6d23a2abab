/** Run directories as the trainer writes them (FORMAT.md section 1), for models of the benchmark. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { modelTensors } from '../../src/model/tensor-specs.ts'
import { type ReferenceModel, randomTensors, wordVocabulary } from './reference-models.ts'

/** Writes `<directory>/<model.name>/` with a binary checkpoint; returns the checkpoint's path. */
export async function writeRun(directory: string, model: ReferenceModel): Promise<string> {
	const run = join(directory, model.name)
	await mkdir(run, { recursive: true })
	const config = {
		modelConfig: model.stored,
		trainConfig: {},
		configHash: '00000000',
		runId: model.name,
	}
	await Bun.write(join(run, 'config.json'), JSON.stringify(config, null, 2))
	const path = join(run, 'checkpoint-1.json')
	await writeBinaryCheckpoint(path, model)
	return path
}

/** The form since 2026-02-20: a JSON header, then the tensors' numbers. */
export async function writeBinaryCheckpoint(path: string, model: ReferenceModel): Promise<void> {
	const shapes = [...modelTensors(model.config).tensors.values()].filter(
		({ name }) => !/attn\.w[qkv]$/.test(name),
	)
	const header = Buffer.from(
		JSON.stringify({
			...checkpointHead(model),
			optimizerStep: 0,
			tensors: shapes.map(({ name, shape }) => ({
				name: `p.${name}`,
				shape,
				elements: shape.reduce((product, size) => product * size, 1),
			})),
		}),
	)
	const length = Buffer.alloc(4)
	length.writeUInt32LE(header.length)
	const file = Bun.file(path).writer()
	file.write('ALPH')
	file.write(length)
	file.write(header)
	for (const { data } of randomTensors(model.config)) {
		file.write(new Uint8Array(data.buffer))
		await file.flush()
	}
	await file.end()
}

/** The form before that: one JSON object with every number in decimal. */
export async function writeJsonCheckpoint(path: string, model: ReferenceModel): Promise<void> {
	const { modelConfig, ...rest } = checkpointHead(model)
	const file = Bun.file(path).writer()
	file.write(`{"modelConfig":${JSON.stringify(modelConfig)},"params":{`)
	let separator = ''
	for (const { name, shape, data } of randomTensors(model.config)) {
		file.write(`${separator}${JSON.stringify(name)}:{"shape":${JSON.stringify(shape)},"data":[`)
		file.write(data.join(','))
		file.write(']}')
		await file.flush()
		separator = ','
	}
	file.write(`},"optimizerState":{"step":0,"buffers":{}},${JSON.stringify(rest).slice(1)}`)
	await file.end()
}

function checkpointHead({ stored }: ReferenceModel) {
	const vocab = wordVocabulary(stored.vocabSize)
	return {
		modelConfig: { ...stored, dropout: 0 },
		tokenizerArtifacts: { type: 'word', vocabSize: vocab.length, vocab },
		rngState: 1,
		configHash: '00000000',
		step: 1,
	}
}
