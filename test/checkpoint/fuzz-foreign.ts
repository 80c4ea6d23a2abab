/** Safetensors, torch and pickle files, whatever their bytes: tensors or a CheckpointError. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FuzzTarget } from '../helpers/fuzz.ts'
import { readForeignFile } from './read-foreign.ts'

const families = join(import.meta.dir, '../fixtures/families')

/** Small files of each kind; the reader is told by the name. */
const SEEDS = [
	'hostile/control-valid/model.safetensors',
	'hostile/st-extra-buffers/model.safetensors',
	'gpt2-bf16/model.safetensors',
	'hostile/pt-control-valid/ckpt.pt',
	'hostile/pt-numpy-scalar/ckpt.pt',
	'hostile/pt-control-valid/meta.pkl',
	'nanogpt-char/meta.pkl',
]

/** Weights and vocabularies of other trainers. */
export const foreignFiles: FuzzTarget = {
	name: 'foreign-files',
	seeds: () => SEEDS.map((name) => ({ name, bytes: readFileSync(join(families, name)) })),
	read: ({ name, bytes }) => readForeignFile(name, bytes) !== null,
}
