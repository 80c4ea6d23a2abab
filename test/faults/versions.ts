/*
 * Uploads that can be told apart afterwards: version n has n in its first weight, its config and its
 * metrics, so that a mix of two shows.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCheckpoint } from '../checkpoint/read-checkpoint.ts'
import { toBinaryForm, toJsonForm } from '../helpers/tiny-checkpoint.ts'
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
] as const

/** Number of ways in which uploads are sent. */
export const formCount = FORMS.length

/** The upload of a version; the way it is sent is its remainder modulo `formCount`. */
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
 * The version that a checkpoints directory holds; null for none. Throws for a mix, and for any other
 * entry that is not `expected`.
 */
export function storedVersion(directory: string, expected: readonly string[] = []): Version | null {
	const present = existsSync(directory) ? readdirSync(directory) : []
	const entries = present.filter((name) => !expected.includes(name))
	const leftovers = entries.filter((name) => name !== 'run')
	if (leftovers.length > 0) throw new Error(`leftovers: ${leftovers.join(', ')}`)
	if (entries.length === 0) return null
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
