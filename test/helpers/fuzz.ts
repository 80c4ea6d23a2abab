/** Random edits of files through the code that reads them; every case can be repeated from its seed. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { integer, mutate, type Random } from './mutate.ts'
import { uniform } from './random-model.ts'

/** A file to begin with; readers may tell its kind by the name. */
export interface SeedFile {
	readonly name: string
	readonly bytes: Uint8Array
}

/** A reader of bytes that anybody may have written. */
export interface FuzzTarget {
	/** Name of its corpus. */
	readonly name: string
	/** Small files that it takes. */
	seeds(): readonly SeedFile[]
	/** Whether it took the bytes; false = refused as it should. Throws for any other end. */
	read(file: SeedFile, next: Random): boolean | Promise<boolean>
}

/** What a reader must not do, with the input that made it. */
export class FuzzFailure extends Error {
	override readonly name = 'FuzzFailure'
	readonly input: SeedFile

	constructor(target: string, seed: number, input: SeedFile, cause: unknown) {
		super(`${target}: case with seed ${seed}, made from ${input.name}`, { cause })
		this.input = input
	}
}

/** Inputs that once made a reader fail, by target. */
const corpusDirectory = join(import.meta.dir, '../fixtures/fuzz')

/** Runs so many cases; returns how many were taken. Throws FuzzFailure. */
export async function fuzz(target: FuzzTarget, cases: number, seed: number): Promise<number> {
	const files = [...target.seeds(), ...corpusOf(target)]
	let taken = 0
	for (let i = 0; i < cases; i++) {
		const next = uniform(seed + i)
		next()
		const { name, bytes } = files[integer(next, files.length)]!
		const input = { name, bytes: mutate(bytes, next) }
		try {
			if (await target.read(input, next)) taken++
		} catch (cause) {
			throw new FuzzFailure(target.name, seed + i, input, cause)
		}
	}
	return taken
}

/** Reads what once made the target fail. Throws FuzzFailure. */
export async function replayCorpus(target: FuzzTarget): Promise<number> {
	const files = corpusOf(target)
	for (const input of files) {
		try {
			await target.read(input, uniform(1))
		} catch (cause) {
			throw new FuzzFailure(target.name, 0, input, cause)
		}
	}
	return files.length
}

/** Keeps an input that made a target fail, for every later run; returns its path. */
export function keepInput(target: FuzzTarget, { name, bytes }: SeedFile): string {
	const directory = join(corpusDirectory, target.name)
	mkdirSync(directory, { recursive: true })
	const digest = createHash('sha256').update(bytes).digest('hex').slice(0, 12)
	const path = join(directory, `${digest}-${name.replaceAll('/', '-')}`)
	writeFileSync(path, bytes)
	return path
}

function corpusOf(target: FuzzTarget): SeedFile[] {
	const directory = join(corpusDirectory, target.name)
	if (!existsSync(directory)) return []
	return readdirSync(directory)
		.sort()
		.map((name) => ({ name, bytes: readFileSync(join(directory, name)) }))
}
