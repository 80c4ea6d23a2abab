/*
 * How runs lie in an object store. `runs/<name>/step-<n>/<digest>/…` never change once written;
 * `runs/<name>/HEAD.json` names the one that is served, and is the only object that does.
 */
import { isSafeName, stepOfDirectory, stepOfName } from '../checkpoint/store/names.ts'
import { isRecord } from '../lib/json.ts'

export interface RemoteFile {
	/** Relative to the run's directory: `config.json`, `checkpoint-5/model.safetensors`. */
	readonly path: string
	readonly bytes: number
	/** Hex. */
	readonly sha256: string
}

export interface Head {
	readonly step: number
	/** Of all files, see `digestOf`. */
	readonly digest: string
	readonly files: readonly RemoteFile[]
}

/** Of a HEAD.json. */
export const HEAD_BYTES_MAX = 2 ** 20
const FILES_MAX = 1000

export const RUNS = 'runs/'

export function headKey(name: string): string {
	return `${RUNS}${name}/HEAD.json`
}

export function fileKey(name: string, { step, digest }: Head, path: string): string {
	return `${RUNS}${name}/step-${step}/${digest}/${path}`
}

/** A hex digest that names a set of files. */
export function digestOf(files: readonly RemoteFile[]): string {
	const lines = files.map(({ path, bytes, sha256 }) => `${path} ${bytes} ${sha256}\n`).sort()
	return new Bun.CryptoHasher('sha256').update(lines.join('')).digest('hex')
}

/** The step that files of a run are of; null when they hold no checkpoint, or several. */
export function stepOfFiles(paths: readonly string[]): number | null {
	const tops = paths.map((path) => path.split('/', 1)[0] ?? '')
	const steps = new Set(tops.flatMap((top) => stepOfName(top) ?? stepOfDirectory(top) ?? []))
	const [step = null] = steps
	return steps.size === 1 ? step : null
}

/** Reads a HEAD.json; null for what is none, or names files that no run has. */
export function parseHead(text: string): Head | null {
	try {
		const head: unknown = JSON.parse(text)
		if (!isRecord(head)) return null
		const { step, digest, files } = head
		if (!Array.isArray(files) || files.length > FILES_MAX || !files.every(isRemoteFile)) return null
		if (digest !== digestOf(files)) return null
		if (step !== stepOfFiles(files.map(({ path }) => path))) return null
		return { step: step as number, digest, files }
	} catch {
		return null
	}
}

/** Paths lead nowhere but into the run. */
function isRemoteFile(value: unknown): value is RemoteFile {
	if (!isRecord(value)) return false
	const { path, bytes, sha256 } = value
	if (typeof path !== 'string' || typeof sha256 !== 'string') return false
	const parts = path.split('/')
	const isInside = parts.length <= 2 && parts.every(isSafeName)
	return (
		isInside && Number.isSafeInteger(bytes) && Number(bytes) >= 0 && /^[0-9a-f]{64}$/.test(sha256)
	)
}
