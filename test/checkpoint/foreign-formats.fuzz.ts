/*
 * Mutated safetensors, torch and pickle files through the code that reads them: whatever the bytes, the
 * answer is tensors or a CheckpointError. Every case can be repeated from its seed.
 * `bun test/checkpoint/foreign-formats.fuzz.ts [cases] [seed]`
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { integer, mutate } from '../helpers/mutate.ts'
import { uniform } from '../helpers/random-model.ts'
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

/** Runs `cases` cases; returns how many were read. Throws with the seed of a case that fails. */
export function fuzzForeignFormats(cases: number, seed: number): number {
	const files = SEEDS.map((path) => ({ path, bytes: readFileSync(join(families, path)) }))
	let read = 0
	for (let i = 0; i < cases; i++) {
		const next = uniform(seed + i)
		next()
		const { path, bytes } = files[integer(next, files.length)]!
		try {
			if (readForeignFile(path, mutate(bytes, next)) !== null) read++
		} catch (cause) {
			throw new Error(`case with seed ${seed + i}`, { cause })
		}
	}
	return read
}

if (import.meta.main) {
	const [cases = 200_000, seed = 1] = process.argv.slice(2).map(Number)
	const start = performance.now()
	const read = fuzzForeignFormats(cases, seed)
	const seconds = ((performance.now() - start) / 1000).toFixed(0)
	console.log(`${cases} cases from seed ${seed} in ${seconds} s: ${read} read, none failed`)
}
