import { escapeControls } from '../../lib/log.ts'
import type { ModelCard } from '../../models/catalog.ts'
import { formatBytes } from '../settings/option-kinds.ts'

export interface BannerFacts {
	readonly version: string
	readonly url: string
	readonly isaName: string
	readonly threads: number
	readonly dtype: string
	readonly memoryBytesMax: number
	readonly checkpoints: string
	readonly served: readonly ModelCard[]
	readonly unserved: readonly ModelCard[]
	readonly acceptsUploads: boolean
	/** Listens beyond this machine without asking for a key. */
	readonly isOpenToAll: boolean
	/** The port is one that a platform chose, which cannot connect to this machine's own address. */
	readonly isHiddenFromPlatform: boolean
}

/** Models of each kind that the banner names; the rest is counted. */
const NAMED_MODELS_MAX = 5

/** The banner for collectors of logs: the same facts, with models counted where the banner counts them. */
export function bannerFields({ served, unserved, ...facts }: BannerFacts) {
	return {
		...facts,
		models: served.length,
		modelNames: served.slice(0, NAMED_MODELS_MAX).map(({ id }) => id),
		unserved: unserved
			.slice(0, NAMED_MODELS_MAX)
			.map(({ id, state, reason }) => ({ id, state, reason })),
	}
}

/** What a person wants to know when the server has started. */
export function formatBanner(facts: BannerFacts): string {
	const { served, unserved } = facts
	const names = served.slice(0, NAMED_MODELS_MAX).map(({ id }) => id)
	if (served.length > names.length) names.push(`and ${served.length - names.length} more`)
	const reasons = unserved
		.slice(0, NAMED_MODELS_MAX)
		.map(({ id, state, reason }) => `  ${state.padEnd(10)} ${id}: ${reason}`)
	if (unserved.length > reasons.length) {
		reasons.push(
			`  and ${unserved.length - reasons.length} more that are not served: see alpha models`,
		)
	}
	const lines = [
		`Alpha ${facts.version}`,
		`  web page   ${facts.url}`,
		`  OpenAI API ${facts.url}/v1`,
		`  API docs   ${facts.url}/swagger`,
		`  models     ${served.length === 0 ? `none yet: copy a run directory into ${facts.checkpoints}` : names.join(', ')}`,
		...reasons,
		`  compute    ${facts.isaName}, ${facts.threads} ${facts.threads === 1 ? 'thread' : 'threads'}, ${facts.dtype}, up to ${formatBytes(facts.memoryBytesMax)} for models`,
	]
	if (!facts.acceptsUploads) lines.push('  uploads    off: set UPLOAD_SECRET to accept them')
	if (facts.isHiddenFromPlatform) {
		lines.push(
			'  platform   PORT is set, but only this machine can connect: a platform needs ALPHA_HOST=0.0.0.0',
		)
	}
	if (facts.isOpenToAll) {
		lines.push(
			'  warning    everybody who can reach this address can use the server: set ALPHA_API_KEYS',
		)
	}
	return `${lines.map(escapeControls).join('\n')}\n`
}
