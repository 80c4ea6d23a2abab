/* What the requests of an upload send. */
import { open } from 'node:fs/promises'
import { basename } from 'node:path'
import { isBinaryForm } from '../../checkpoint/formats/binary.ts'
import type { CheckpointVersion } from '../../checkpoint/store/checkpoint-version.ts'
import { CommandError } from '../command.ts'

/** The upload did not succeed; the message is for the person who asked for it. */
export class UploadError extends CommandError {
	override readonly name = 'UploadError'

	constructor(message: string, options: ErrorOptions & { readonly status?: number } = {}) {
		super(options.status ?? 1, message, options)
	}
}

/** A checkpoint and what belongs to it. */
export interface Upload {
	readonly name: string
	readonly version: CheckpointVersion
	readonly config: string
	readonly metrics: string | null
}

/** The bytes of `file` go between `before` and `after`. */
export interface UploadRequest {
	readonly path: string
	readonly headers: Readonly<Record<string, string>>
	readonly before: string
	readonly file: { readonly path: string; readonly sizeBytes: number } | null
	readonly after: string
}

/** A checkpoint of ours, in its own form. Throws UploadError for too long a config. */
export async function toCheckpointRequest(upload: Upload): Promise<UploadRequest> {
	await using file = await open(upload.version.path, 'r')
	const start = new Uint8Array(4)
	await file.read(start, 0, start.length, 0)
	const parts = isBinaryForm(start) ? binaryParts(upload) : jsonParts(upload)
	return { path: '/api/upload', file: upload.version, ...parts }
}

/** A file of a model of another trainer. */
export function toFileRequest(path: string, sizeBytes: number, uploadId: string): UploadRequest {
	return {
		path: '/api/upload',
		headers: {
			'content-type': 'application/octet-stream',
			'x-model-file': basename(path),
			'x-upload-id': uploadId,
		},
		before: '',
		file: { path, sizeBytes },
		after: '',
	}
}

/** What makes a model of files that have been sent. */
export function toModelRequest({
	metrics,
	...fields
}: {
	readonly uploadId: string
	readonly name: string
	readonly step?: number
	readonly files: readonly string[]
	readonly metrics: string | null
}): UploadRequest {
	return {
		path: '/api/upload/assemble',
		headers: { 'content-type': 'application/json' },
		before: JSON.stringify({ ...fields, ...(metrics === null ? {} : { metrics }) }),
		file: null,
		after: '',
	}
}

/** Config and metrics of a binary checkpoint travel in headers, which servers limit to 16 KiB in all. */
const HEADER_TEXT_BYTES_MAX = 5000

type Parts = Pick<UploadRequest, 'headers' | 'before' | 'after'>

/** A JSON body, into which the checkpoint goes as it is. */
function jsonParts({ name, version, config, metrics }: Upload): Parts {
	const fields = [
		`"name":${JSON.stringify(name)}`,
		`"step":${version.step}`,
		`"config":${config}`,
		...(metrics === null ? [] : [`"metrics":${JSON.stringify(metrics)}`]),
	]
	return {
		headers: { 'content-type': 'application/json' },
		before: `{${fields.join(',')},"checkpoint":`,
		after: '}',
	}
}

/** A binary checkpoint as the body; all else is in headers. */
function binaryParts({ name, version, config, metrics }: Upload): Parts {
	const compact = JSON.stringify(JSON.parse(config))
	const bytes = Buffer.byteLength(compact)
	if (bytes > HEADER_TEXT_BYTES_MAX) {
		throw new UploadError(
			`config.json: expected at most ${HEADER_TEXT_BYTES_MAX} bytes for a binary checkpoint, ` +
				`got ${bytes}`,
		)
	}
	const headers = {
		'content-type': 'application/octet-stream',
		'x-checkpoint-name': name,
		'x-checkpoint-step': String(version.step),
		'x-checkpoint-config': Buffer.from(compact).toString('base64'),
		...(metrics === null
			? {}
			: { 'x-checkpoint-metrics': Buffer.from(thinLines(metrics)).toString('base64') }),
	}
	return { headers, before: '', after: '' }
}

/** As many lines as fit, evenly spread, the last one always among them. */
function thinLines(text: string): string {
	const lines = text.split('\n').filter((line) => line !== '')
	let kept = lines
	for (
		let stride = 2;
		kept.join('\n').length > HEADER_TEXT_BYTES_MAX && kept.length > 1;
		stride *= 2
	) {
		kept = lines.filter((_, i) => (lines.length - 1 - i) % stride === 0)
	}
	const thinned = kept.map((line) => `${line}\n`).join('')
	return Buffer.byteLength(thinned) > HEADER_TEXT_BYTES_MAX ? '' : thinned
}
