/*
 * Uploads that can be told apart afterwards: version n has n in its first weight, its config and its
 * metrics, so that a mix of two shows.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCheckpoint } from '../checkpoint/read-checkpoint.ts'
import { toBinaryForm, toJsonForm } from '../helpers/tiny-checkpoint.ts'
import { tinyModelFiles, tinyModelVersion } from '../helpers/tiny-model.ts'
import { inPieces, jsonBody, versioned } from '../upload/upload-fixture.ts'

export type Version = number

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** Ways to send an upload: what the body is, its coding, and the bytes of a piece as it arrives. */
const FORMS = [
	{ kind: 'binary', coding: 'identity', pieceBytes: 1024 },
	{ kind: 'json', coding: 'identity', pieceBytes: 1024 },
	{ kind: 'json', coding: 'gzip', pieceBytes: 256 },
	{ kind: 'binary', coding: 'gzip', pieceBytes: 256 },
	{ kind: 'binary', coding: 'zstd', pieceBytes: 512 },
	{ kind: 'json', coding: 'zstd', pieceBytes: 512 },
	{ kind: 'json', coding: 'identity', pieceBytes: 64 },
	{ kind: 'json', coding: 'identity', pieceBytes: 2 ** 20 },
	{ kind: 'binary', coding: 'identity', pieceBytes: 2 ** 20 },
	{ kind: 'model', coding: 'identity', pieceBytes: 1024 },
] as const

/** Number of ways in which uploads are sent. */
export const formCount = FORMS.length

/** A request of an upload: the door's method that takes it, and what it brings. */
interface SentRequest {
	readonly door: 'receive' | 'assemble'
	readonly headers: Headers
	readonly body: AsyncIterable<Uint8Array>
}

/** The run that a version is uploaded to: models of others have one of their own. */
export function runOf(version: Version): 'run' | 'model' {
	return FORMS[version % formCount]!.kind === 'model' ? 'model' : 'run'
}

/** The requests of a version's upload; the way it is sent is its remainder modulo `formCount`. */
export function uploadRequests(version: Version): readonly SentRequest[] {
	if (runOf(version) === 'run') return [{ door: 'receive', ...upload(version) }]
	const files = tinyModelFiles(version)
	const uploadId = `model ${version}`
	const requests = [...files].map(([file, bytes]): SentRequest => {
		const headers = new Headers({ 'x-model-file': file, 'x-upload-id': uploadId })
		return { door: 'receive', headers, body: inPieces(bytes, 1024) }
	})
	const list = { uploadId, name: 'model', step: 7, files: [...files.keys()] }
	const body = inPieces(Buffer.from(JSON.stringify(list)))
	return [...requests, { door: 'assemble', headers: new Headers(), body }]
}

/** The upload of a version of our own form. */
export function upload(version: Version): { headers: Headers; body: AsyncIterable<Uint8Array> } {
	const { kind, coding, pieceBytes } = FORMS[version % formCount]!
	const checkpoint = versioned(version)
	const config = `{"domain":"${version}"}`
	const metrics = `{"loss":${version}}\n`
	const headers = new Headers(coding === 'identity' ? {} : { 'content-encoding': coding })
	if (kind === 'binary') {
		headers.set('content-type', 'application/octet-stream')
		headers.set('x-checkpoint-name', 'run')
		headers.set('x-checkpoint-step', '7')
		headers.set('x-checkpoint-config', base64(config))
		headers.set('x-checkpoint-metrics', base64(metrics))
	}
	const plain =
		kind === 'binary'
			? toBinaryForm(checkpoint)
			: jsonBody({
					config,
					checkpoint: toJsonForm(checkpoint).toString(),
					metrics: JSON.stringify(metrics),
				})
	return { headers, body: inPieces(encode(new Uint8Array(plain), coding), pieceBytes) }
}

function encode(
	bytes: Uint8Array<ArrayBuffer>,
	coding: (typeof FORMS)[number]['coding'],
): Uint8Array {
	if (coding === 'gzip') return Bun.gzipSync(bytes)
	return coding === 'zstd' ? Bun.zstdCompressSync(bytes) : bytes
}

/**
 * The version of the run in a checkpoints directory; null for none. Throws for a mix, and for any other
 * entry that is not `expected`.
 */
export function storedVersion(
	directory: string,
	expected: readonly string[] = [],
	run: 'run' | 'model' = 'run',
): Version | null {
	const present = existsSync(directory) ? readdirSync(directory) : []
	const leftovers = present.filter((name) => name !== run && !expected.includes(name))
	if (leftovers.length > 0) throw new Error(`leftovers: ${leftovers.join(', ')}`)
	if (!present.includes(run)) return null
	if (run === 'model') return storedModelVersion(join(directory, run))
	const files = readdirSync(join(directory, 'run')).sort().join(' ')
	if (files !== 'checkpoint-7.json config.json metrics.jsonl') {
		throw new Error(`the run holds: ${files}`)
	}
	const text = (name: string) => readFileSync(join(directory, 'run', name), 'utf8')
	const { numbers } = readCheckpoint(readFileSync(join(directory, 'run/checkpoint-7.json')))
	const weights = numbers.get('wte')?.[0]
	const config = Number((JSON.parse(text('config.json')) as { domain: string }).domain)
	const metrics = (JSON.parse(text('metrics.jsonl')) as { loss: number }).loss
	if (weights !== config || weights !== metrics) {
		throw new Error(`a mix: weights ${weights}, config ${config}, metrics ${metrics}`)
	}
	return weights
}

function storedModelVersion(path: string): Version {
	const entries = readdirSync(path)
	if (entries.join() !== 'checkpoint-7') throw new Error(`the run holds: ${entries.join(' ')}`)
	const files = readdirSync(join(path, 'checkpoint-7')).sort()
	const expected = [...tinyModelFiles(0).keys()].sort()
	if (!Bun.deepEquals(files, expected)) throw new Error(`the step holds: ${files.join(' ')}`)
	return tinyModelVersion((file) => readFileSync(join(path, 'checkpoint-7', file)))
}
