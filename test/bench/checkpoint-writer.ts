/** Run directories as the trainer writes them, for models of the benchmark. */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { networkOf } from '../../src/model/families.ts'
import { type ReferenceModel, randomTensors, wordVocabulary } from './reference-models.ts'

/** Writes `<directory>/<model.name>/` with a binary checkpoint; returns the checkpoint's path. */
export function writeRun(directory: string, model: ReferenceModel): string {
	const run = join(directory, model.name)
	mkdirSync(run, { recursive: true })
	const config = {
		modelConfig: model.stored,
		trainConfig: {},
		configHash: '00000000',
		runId: model.name,
	}
	writeFileSync(join(run, 'config.json'), JSON.stringify(config, null, 2))
	const path = join(run, 'checkpoint-1.json')
	writeBinaryCheckpoint(path, model)
	return path
}

/** The form since 2026-02-20: a JSON header, then the tensors' numbers. */
export function writeBinaryCheckpoint(path: string, model: ReferenceModel): void {
	const shapes = [...networkOf(model.config).tensors.values()].filter(
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
	writeParts(path, function* () {
		yield Buffer.concat([Buffer.from('ALPH'), length, header])
		for (const { data } of randomTensors(model.config)) yield new Uint8Array(data.buffer)
	})
}

/** The form before that: one JSON object with every number in decimal. */
export function writeJsonCheckpoint(path: string, model: ReferenceModel): void {
	const { modelConfig, ...rest } = checkpointHead(model)
	writeParts(path, function* () {
		yield Buffer.from(`{"modelConfig":${JSON.stringify(modelConfig)},"params":{`)
		let separator = ''
		for (const { name, shape, data } of randomTensors(model.config)) {
			const [key, sizes] = [JSON.stringify(name), JSON.stringify(shape)]
			yield Buffer.from(`${separator}${key}:{"shape":${sizes},"data":[${data.join(',')}]}`)
			separator = ','
		}
		yield Buffer.from(`},"optimizerState":{"step":0,"buffers":{}},${JSON.stringify(rest).slice(1)}`)
	})
}

/** Writes a file part by part: a large model is never in memory as a whole. */
function writeParts(path: string, parts: () => Iterable<Uint8Array>): void {
	const fd = openSync(path, 'w')
	try {
		for (const part of parts()) {
			for (let done = 0; done < part.byteLength; ) done += writeSync(fd, part, done)
		}
	} finally {
		closeSync(fd)
	}
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
