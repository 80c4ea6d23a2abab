/*
 * Uploads that can be told apart afterwards: version n has n in its first weight, its config and its
 * metrics, so that a mix of two shows.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCheckpoint } from '../checkpoint/read-checkpoint.ts'
import { inPieces, jsonBody, versioned } from '../checkpoint/upload-fixture.ts'
import { toBinaryForm, toJsonForm } from '../helpers/tiny-checkpoint.ts'

export type Version = number

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** The upload of a version; the way it is sent varies with it. */
export function upload(version: Version): { headers: Headers; body: AsyncIterable<Uint8Array> } {
	const checkpoint = versioned(version)
	const config = `{"domain":"${version}"}`
	const metrics = `{"loss":${version}}\n`
	if (version % 3 === 0) {
		const headers = new Headers({
			'content-type': 'application/octet-stream',
			'x-checkpoint-name': 'run',
			'x-checkpoint-step': '7',
			'x-checkpoint-config': base64(config),
			'x-checkpoint-metrics': base64(metrics),
		})
		return { headers, body: inPieces(toBinaryForm(checkpoint), 1024) }
	}
	const body = jsonBody({
		config,
		checkpoint: toJsonForm(checkpoint).toString(),
		metrics: JSON.stringify(metrics),
	})
	if (version % 3 === 1) return { headers: new Headers(), body: inPieces(body, 1024) }
	const headers = new Headers({ 'content-encoding': 'gzip' })
	return { headers, body: inPieces(Bun.gzipSync(body as Uint8Array<ArrayBuffer>), 256) }
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
