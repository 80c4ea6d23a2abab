import { hash } from 'node:crypto'
import { isSafeName } from '../checkpoint/store/names.ts'

/** Longest run id that is taken, characters. */
export const RUN_ID_LENGTH_MAX = 1024

const SLUG_LENGTH_MAX = 96

/**
 * The directory of a run whose id a trainer chose: the id itself where it is safe as a name, else what
 * is readable of it and a digest that keeps two ids apart. Always the same for the same id.
 */
export function runDirectoryName(runId: string): string {
	if (isSafeName(runId)) return runId
	const slug = runId
		.normalize('NFKD')
		.replace(/[^A-Za-z0-9._-]+/g, '-')
		.replace(/^[^A-Za-z0-9]+/, '')
		.slice(0, SLUG_LENGTH_MAX)
	const digest = hash('sha256', runId, 'hex').slice(0, 8)
	return `${slug.replace(/-$/, '') || 'run'}-${digest}`
}
