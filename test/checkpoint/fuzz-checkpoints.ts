/** Checkpoints and upload bodies, whatever their bytes: a model or a refusal, never another error. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { JsonObjectSplitter, JsonSyntaxError } from '../../src/upload/json-object-splitter.ts'
import type { FuzzTarget } from '../helpers/fuzz.ts'
import { integer, type Random } from '../helpers/mutate.ts'
import { tinyCheckpoint, toBinaryForm, toJsonForm } from '../helpers/tiny-checkpoint.ts'
import { readCheckpoint } from './read-checkpoint.ts'

const fixtures = join(import.meta.dir, '../fixtures')

/** Files to mutate, small ones more often. */
function seedFiles(): Uint8Array[] {
	const graph = {
		type: 'add',
		left: { type: 'basis', op: 'relu' },
		right: { type: 'basis', op: 'gelu' },
	}
	const tiny = [
		tinyCheckpoint(),
		tinyCheckpoint({ ffnActivation: 'swiglu', ffnDim: 5 }),
		tinyCheckpoint({ ffnActivation: 'kan_spline' }),
		tinyCheckpoint({ ffnActivation: 'composed', activationGraph: graph }),
	].flatMap((checkpoint) => [toJsonForm(checkpoint), toBinaryForm(checkpoint)])
	const real = ['v2-stripped-upload/checkpoint-400.json', 'v2-bpe-chat/checkpoint-400.json']
	return [...tiny, ...tiny, ...real.map((path) => readFileSync(join(fixtures, path)))]
}

/** True when accepted; throws for anything but a clean answer. */
function readMutant(bytes: Uint8Array): boolean {
	try {
		const { numbers } = readCheckpoint(bytes)
		for (const data of numbers.values()) {
			if (!data.every(Number.isFinite)) throw new Error('accepted a number that is not finite')
		}
		return true
	} catch (error) {
		if (error instanceof Error && error.name === 'CheckpointError') return false
		throw error
	}
}

/** The raw top-level values of a body that arrives in random pieces; null when it is refused. */
function splitInPieces(body: Uint8Array, next: Random): Map<string, string> | null {
	const splitter = new JsonObjectSplitter()
	const values = new Map<string, Buffer[]>()
	try {
		for (let at = 0; at < body.length; ) {
			const end = at + 1 + integer(next, 90)
			for (const { key, bytes } of splitter.push(body.subarray(at, end))) {
				values.set(key, [...(values.get(key) ?? []), Buffer.from(bytes)])
			}
			at = end
		}
		splitter.end()
	} catch (error) {
		if (error instanceof JsonSyntaxError) return null
		throw error
	}
	return new Map([...values].map(([key, pieces]) => [key, Buffer.concat(pieces).toString()]))
}

function parseOrNull(text: string): unknown {
	try {
		return JSON.parse(text)
	} catch {
		return null
	}
}

/** A body that JSON.parse takes must be split into exactly its values. */
function checkSplitter(body: Uint8Array, next: Random): void {
	const parsed = parseOrNull(new TextDecoder().decode(body))
	const split = splitInPieces(body, next)
	if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return
	if (split === null) throw new Error('refused a valid object')
	for (const [key, value] of Object.entries(parsed)) {
		const raw = split.get(key)
		// A key that comes twice has both texts in one: not what this looks for.
		if (raw === undefined) throw new Error(`lost the key ${key}`)
		const again = parseOrNull(raw)
		if (again !== null && !Bun.deepEquals(again, value))
			throw new Error(`changed the value of ${key}`)
	}
}

/** Checkpoints of our trainer, in both forms. */
export const checkpoints: FuzzTarget = {
	name: 'checkpoints',
	seeds: () => seedFiles().map((bytes, index) => ({ name: `checkpoint-${index}.json`, bytes })),
	read: ({ bytes }) => readMutant(bytes),
}

/** Bodies of uploads, which arrive in pieces of any size. */
export const uploadBodies: FuzzTarget = {
	name: 'upload-bodies',
	seeds: () => [{ name: 'body.json', bytes: uploadBody() }],
	read({ bytes }, next) {
		checkSplitter(bytes, next)
		return true
	},
}

function uploadBody(): Uint8Array {
	const checkpoint = toJsonForm(tinyCheckpoint())
	return Buffer.from(
		`{"name":"a-1","config":{"domain":"x","modelConfig":{}},"checkpoint":${checkpoint},` +
			'"step":450,"metrics":"{\\"loss\\":1.5}\\n\\u00e9\\ud83d\\ude00","flag":true,"none":null}',
	)
}
