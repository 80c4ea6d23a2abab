/** How fast checkpoints of about 100 MB load, and what memory that takes at its peak. */
import { rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from './bench-context.ts'
import { writeBinaryCheckpoint, writeJsonCheckpoint } from './checkpoint-writer.ts'
import { FOREIGN_FORMATS, type ForeignFormat, writeForeignModel } from './foreign-writer.ts'
import { writeGguf } from './gguf-writer.ts'
import type { LoadResult } from './load-process.ts'
import { REFERENCE_MODELS, type ReferenceModel, referenceModel } from './reference-models.ts'
import type { Goal } from './report.ts'
import { median } from './statistics.ts'

/** Shapes whose files are about 100 MB: 21 bytes a number in JSON, 4 in the binary form. */
const JSON_MODEL = referenceModel('JSON', {
	vocabSize: 2000,
	blockSize: 256,
	nLayer: 5,
	nEmbd: 256,
	nHead: 8,
})
const BINARY_MODEL = referenceModel('binary', {
	vocabSize: 4000,
	blockSize: 512,
	nLayer: 12,
	nEmbd: 384,
	nHead: 8,
})

/** What a load may take beside the weights. */
const MEMORY_MARGIN_BYTES = 100e6

export async function measureLoad(bench: Bench): Promise<void> {
	await measureForm(bench, JSON_MODEL, writeJsonCheckpoint, 250)
	await measureForm(bench, BINARY_MODEL, writeBinaryCheckpoint, 1000)
	for (const format of FOREIGN_FORMATS) {
		const path = writeForeignModel(bench.directory, format, TOKENIZER)
		await measureForeign(bench, format, path, FOREIGN_GOALS[format])
		await rm(path, { recursive: true })
	}
	for (const dtype of ['f32', 'int8'] as const) {
		const path = join(bench.directory, 'reference.gguf')
		writeGguf(path, REFERENCE_MODELS.L, dtype)
		await measureForeign(bench, `GGUF ${dtype}`, path, GGUF_GOALS[dtype])
		await unlink(path)
	}
}

/** Millions of the file's bytes a second that are wanted. */
const FOREIGN_GOALS: Readonly<Record<ForeignFormat, number>> = {
	'safetensors f32': 1000,
	'safetensors f16': 700,
	'safetensors bf16': 700,
	'torch zip f32': 700,
}

const TOKENIZER = join(import.meta.dir, '../fixtures/families/gpt2/tokenizer.json')

/** As above; bytes of Q8_0 are 3.8 times as many when they are packed. */
const GGUF_GOALS = { f32: 1000, int8: 250 } as const

/** GPT-2's smallest shape as others write it. */
async function measureForeign(
	bench: Bench,
	format: string,
	path: string,
	goal: number,
): Promise<void> {
	const results: LoadResult[] = []
	for (let round = 0; round < bench.rounds; round++) results.push(await load(bench, path))
	const megabytes = ((results[0]?.bytes ?? 0) / 1e6).toFixed(0)
	bench.report.add({
		subject: format,
		name: `load of a GPT-2 in ${megabytes} MB`,
		unit: 'MB/s',
		samples: results.map(({ bytes, seconds }) => bytes / 1e6 / seconds),
		goal: { of: 'value', bound: 'min', limit: goal },
	})
	bench.report.add({
		subject: format,
		name: 'peak memory beside the packed weights',
		unit: 'MB',
		samples: results.map(({ peakBytes, weightBytes, baseBytes }) => {
			return (peakBytes - weightBytes - baseBytes) / 1e6
		}),
		goal: { of: 'value', bound: 'max', limit: MEMORY_MARGIN_BYTES / 1e6 },
	})
}

async function measureForm(
	bench: Bench,
	model: ReferenceModel,
	write: (path: string, model: ReferenceModel) => void,
	speedGoal: number,
): Promise<void> {
	const path = join(bench.directory, `load-${model.name}.json`)
	write(path, model)
	const results: LoadResult[] = []
	for (let round = 0; round < bench.rounds; round++) results.push(await load(bench, path))
	await unlink(path)
	const add = (name: string, unit: string, samples: readonly number[], goal: Goal | null) =>
		bench.report.add({ subject: model.name, name, unit, samples, goal })
	const megabytes = ((results[0]?.bytes ?? 0) / 1e6).toFixed(0)
	add(
		`load of a checkpoint of ${megabytes} MB`,
		'MB/s',
		results.map(({ bytes, seconds }) => bytes / 1e6 / seconds),
		{ of: 'value', bound: 'min', limit: speedGoal },
	)
	const allowed = median(results.map(({ weightBytes }) => weightBytes + MEMORY_MARGIN_BYTES)) / 1e6
	add(
		'peak resident memory of that process',
		'MB',
		results.map(({ peakBytes }) => peakBytes / 1e6),
		model === JSON_MODEL ? { of: 'value', bound: 'max', limit: allowed } : null,
	)
	add(
		'of which not before the load',
		'MB',
		results.map(({ peakBytes, baseBytes }) => (peakBytes - baseBytes) / 1e6),
		null,
	)
}

async function load(bench: Bench, path: string): Promise<LoadResult> {
	const script = join(import.meta.dir, 'load-process.ts')
	const child = Bun.spawn([process.execPath, script, bench.libraryPath, path], {
		stdio: ['ignore', 'pipe', 'inherit'],
	})
	const text = await new Response(child.stdout).text()
	if ((await child.exited) !== 0) throw new Error('a process that loads a checkpoint failed')
	return JSON.parse(text)
}
