/** GGUF and llama2.c files and nanochat's tokenizer, whatever their bytes: a model or a CheckpointError. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { CheckpointError } from '../../src/checkpoint/formats/checkpoint-error.ts'
import { openGguf } from '../../src/checkpoint/formats/gguf.ts'
import { openLlama2cFile } from '../../src/checkpoint/formats/llama2c.ts'
import { parseNanochatPickle } from '../../src/checkpoint/formats/nanochat.ts'
import type { CheckpointFile } from '../../src/checkpoint/formats/types.ts'
import { readTensors, verifyStructure } from '../../src/checkpoint/verify.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { parseLlama2cTokenizer } from '../../src/tokenizer/llama2c.ts'
import type { TokenizerSpec } from '../../src/tokenizer/tokenizer.ts'
import type { FuzzTarget, SeedFile } from '../helpers/fuzz.ts'
import { kernels } from './read-checkpoint.ts'

const families = join(import.meta.dir, '../fixtures/families')

/** Small files of each kind; the reader is told by the name. */
const SEEDS = [
	'hostile/gguf-control-valid/gguf-control-valid.gguf',
	'hostile/gguf-v2/gguf-v2.gguf',
	'gguf-qwen2-f16/gguf-qwen2-f16.gguf',
	'hostile/l2c-control-valid/model.bin',
	'llama2c-v2-q80/model_q80.bin',
	'llama2c-v0/tokenizer.bin',
	'nanochat-flat/tokenizer.pkl',
]

/** Pieces of llama2.c's fixtures. */
const PIECES = 480

/** A model in one file, or a tokenizer beside it. */
export const modelFiles: FuzzTarget = {
	name: 'model-files',
	seeds: () => SEEDS.map((name) => ({ name, bytes: readFileSync(join(families, name)) })),
	read(file) {
		try {
			readModelFile(file)
			return true
		} catch (error) {
			if (error instanceof CheckpointError) return false
			throw error
		}
	},
}

function readModelFile({ name, bytes }: SeedFile): void {
	if (name.endsWith('.pkl')) {
		use(refusing(() => parseNanochatPickle(bytes)))
	} else if (name.endsWith('tokenizer.bin')) {
		use(refusing(() => parseLlama2cTokenizer(bytes, PIECES)))
	} else {
		const checkpoint = verifyStructure(openModel(name, memorySource(bytes)))
		readTensors(kernels, checkpoint, () => {})
		use(checkpoint.tokenizerSpec)
	}
}

function openModel(name: string, source: ReturnType<typeof memorySource>): CheckpointFile {
	if (name.endsWith('.gguf')) return openGguf(source)
	return openLlama2cFile(source, () => ({
		type: 'char',
		vocab: ['a'],
		merges: [],
		specialTokens: [],
		mergeOrder: 'plain',
	}))
}

/** A tokenizer that was taken encodes whatever comes. */
function use(spec: TokenizerSpec): void {
	createTokenizer(spec).encode('Once upon a time, 12345 \u00e9\u4e16 <s>\n')
}

/** Parsers of tokenizers throw plain errors, which the loader turns into CheckpointError. */
function refusing<T>(parse: () => T): T {
	try {
		return parse()
	} catch (cause) {
		if (cause instanceof Error && /: expected /.test(cause.message)) {
			throw new CheckpointError(cause.message, { cause })
		}
		throw cause
	}
}
