/** Known vulnerabilities of what the lock file names, as the package registry tells them. */
import { join } from 'node:path'

/** One that is known and accepted for a while. */
export interface Allowance {
	/** The advisory's page; its last part is the identifier. */
	readonly url: string
	/** From this day on it counts again, `YYYY-MM-DD`. */
	readonly until: string
	readonly reason: string
}

/** Empty is the goal: an entry needs a reason and a date. */
export const allowances: readonly Allowance[] = []

interface Advisory {
	readonly url: string
	readonly title: string
	readonly severity: string
}

/**
 * Lines such as `elysia: high: title, URL`, without those that are allowed on that day. Null when the
 * registry has no advisories to tell, as many mirrors.
 */
export async function audit(
	day: string,
	allowed: readonly Allowance[],
	registry?: string,
): Promise<string[] | null> {
	const child = Bun.spawn([process.execPath, 'audit', '--json'], {
		cwd: join(import.meta.dir, '../..'),
		env: { ...process.env, ...(registry ? { npm_config_registry: registry } : {}) },
		stdout: 'pipe',
		stderr: 'ignore',
	})
	const [text] = await Promise.all([new Response(child.stdout).text(), child.exited])
	if (text.trim() === '') return null
	const advisories = JSON.parse(text) as Readonly<Record<string, readonly Advisory[]>>
	const accepted = new Set(allowed.filter(({ until }) => day < until).map(({ url }) => url))
	return Object.entries(advisories).flatMap(([name, found]) =>
		found
			.filter(({ url }) => !accepted.has(url))
			.map(({ severity, title, url }) => `${name}: ${severity}: ${title}, ${url}`),
	)
}
