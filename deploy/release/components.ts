/* What is inside of the executable that others have written: names, versions, licences. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import packageJson from '../../package.json'
import { root } from './source.ts'

export interface Component {
	readonly name: string
	readonly version: string
	/** SPDX expression. */
	readonly licence: string
	/** The package's licence files, as they are; what package.json says where it has none. */
	readonly licenceText: string
	/** Subresource integrity of the package as the lock file has it; null for what is no package. */
	readonly integrity: string | null
}

interface Manifest {
	readonly version: string
	readonly license?: string
	readonly author?: string | { readonly name?: string }
	readonly dependencies?: Readonly<Record<string, string>>
}

/** Every run-time dependency, and theirs, by name. */
export async function readComponents(): Promise<Component[]> {
	const lock = Bun.JSONC.parse(await Bun.file(join(root, 'bun.lock')).text()) as {
		readonly packages: Readonly<Record<string, readonly unknown[]>>
	}
	const names = Object.keys(packageJson.dependencies)
	const components = new Map<string, Component>()
	for (const name of names) {
		if (components.has(name)) continue
		const directory = join(root, 'node_modules', name)
		const manifest: Manifest = await Bun.file(join(directory, 'package.json')).json()
		const licence = manifest.license ?? 'NOASSERTION'
		components.set(name, {
			name,
			version: manifest.version,
			licence,
			licenceText: (await licenceFiles(directory)) || statement(manifest, licence),
			integrity: String(lock.packages[name]?.at(-1) ?? '') || null,
		})
		names.push(...Object.keys(manifest.dependencies ?? {}))
	}
	return [...components.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function licenceFiles(directory: string): Promise<string> {
	const files = readdirSync(directory).filter((name) => /^(licen[cs]e|notice|copying)/i.test(name))
	const texts = files.sort().map((name) => Bun.file(join(directory, name)).text())
	return (await Promise.all(texts)).map((text) => text.trim()).join('\n\n')
}

function statement({ author }: Manifest, licence: string): string {
	const name = typeof author === 'string' ? author : author?.name
	return `Licence: ${licence}.${name === undefined ? '' : ` Author: ${name}.`}`
}

const BUN = `Bun ${packageJson.devDependencies.bun} is the runtime inside of the executable. Its licence is MIT; it contains
JavaScriptCore and WebKit's WTF under the LGPL 2.1, and the libraries that https://bun.com/docs/project/licensing
lists, where also stands how to link it anew with another version of those.`

/** The text that goes with every binary. */
export function licenceDocument(components: readonly Component[]): string {
	const sections = components.map(
		({ name, version, licence, licenceText }) =>
			`${name} ${version} (${licence})\n\n${licenceText}`,
	)
	const line = `\n\n${'-'.repeat(78)}\n\n`
	return `${['What the executable contains beside Alpha itself.', BUN, ...sections].join(line)}\n`
}
