/** What Alpha is made of: pinned, hashed, without known vulnerabilities, free to be passed on. */
import { expect, test } from 'bun:test'
import { join } from 'node:path'
import packageJson from '../package.json'
import { allowances, audit } from './helpers/audit.ts'

const root = join(import.meta.dir, '..')

type Lock = {
	readonly packages: Readonly<Record<string, readonly unknown[]>>
}

const lock = Bun.JSONC.parse(await Bun.file(join(root, 'bun.lock')).text()) as Lock
const today = new Date().toISOString().slice(0, 10)

test('every dependency is pinned to one version', () => {
	const { dependencies, devDependencies } = packageJson
	const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
		([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
	)
	expect(loose).toEqual([])
})

test('the lock file has the hash of every package', () => {
	const names = Object.keys(lock.packages)
	expect(names.length).toBeGreaterThan(50)
	const unhashed = names.filter(
		(name) => !/^sha512-[\w+/]{86}==$/.test(String(lock.packages[name]?.at(-1))),
	)
	expect(unhashed).toEqual([])
})

test('everything in the executable has a licence that lets it be passed on', async () => {
	const free = [
		'MIT',
		'ISC',
		'0BSD',
		'BSD-2-Clause',
		'BSD-3-Clause',
		'Apache-2.0',
		'MIT OR Apache-2.0',
	]
	const pending = Object.keys(packageJson.dependencies)
	const licences = new Map<string, unknown>()
	for (const name of pending) {
		if (licences.has(name)) continue
		const manifest = await Bun.file(join(root, 'node_modules', name, 'package.json')).json()
		licences.set(name, manifest.license)
		pending.push(...Object.keys(manifest.dependencies ?? {}))
	}
	expect([...licences].filter(([, licence]) => !free.includes(String(licence)))).toEqual([])
})

/** A registry that knows one vulnerability. */
function startRegistry(url: string) {
	const advisory = {
		id: 1,
		url,
		title: 'reads too far',
		severity: 'high',
		vulnerable_versions: '*',
	}
	return Bun.serve({
		hostname: '127.0.0.1',
		port: 0,
		fetch: () => Response.json({ elysia: [advisory] }),
	})
}

test('a known vulnerability fails the audit, but for a while where it is allowed with a reason', async () => {
	const url = 'https://advisories.example/GHSA-1'
	await using registry = startRegistry(url)
	const auditOn = (day: string) =>
		audit(day, [{ url, until: '2030-01-02', reason: 'is not reached' }], registry.url.href)
	expect(await auditOn('2030-01-01')).toEqual([])
	expect(await auditOn('2030-01-02')).toEqual([`elysia: high: reads too far, ${url}`])
})

const findings = await audit(today, allowances)

test.skipIf(findings === null)(
	`the registry knows no vulnerability of what the lock file names${findings === null ? ' (it tells none)' : ''}`,
	() => {
		expect(findings).toEqual([])
	},
)
