/* What one try of an upload sends: a checkpoint, and around it what belongs to it. */
import type { CheckpointVersion } from '../checkpoint/store/checkpoint-version.ts'

/** The upload did not succeed; the message is for the person who asked for it. */
export class UploadError extends Error {
	override readonly name = 'UploadError'
}

/** What is sent. */
export interface Upload {
	readonly name: string
	readonly version: CheckpointVersion
	readonly config: string
	readonly metrics: string | null
}

/** The checkpoint's own bytes go between `before` and `after`. */
export interface UploadRequest {
	readonly headers: Readonly<Record<string, string>>
	readonly before: string
	readonly after: string
}

/** Config and metrics of a binary checkpoint travel in headers, which servers limit to 16 KiB in all. */
const HEADER_TEXT_BYTES_MAX = 5000

/** A JSON body, into which the checkpoint goes as it is. */
export function toJsonRequest({ name, version, config, metrics }: Upload): UploadRequest {
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

/** A binary checkpoint as the body; all else is in headers. Throws UploadError for too long a config. */
export function toBinaryRequest({ name, version, config, metrics }: Upload): UploadRequest {
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
