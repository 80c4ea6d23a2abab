/**
 * `bun run release [TARGET…]`: everything that users download, in dist/release/, from the commit that is
 * checked out. Two runs of one commit on one system give the same bytes. Needs Debian's cross compilers
 * (test/release/targets.ts names them), git, GNU tar, gzip, dpkg-deb.
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
	findTarget,
	type KernelTarget,
	kernelTargets,
	platformOf,
} from '../../src/kernels/targets.ts'
import { archive, writeDeb, writeTarGz } from './archive.ts'
import { runCommand, sha256Of } from './command.ts'
import { type Component, licenceDocument, readComponents } from './components.ts'
import { type ImagePart, writeImage } from './image.ts'
import { billOfMaterials } from './sbom.ts'
import { readSource, root, type Source } from './source.ts'

const OUTPUT = join(root, 'dist/release')

/** Of these there are Debian packages and images. */
const DEBIAN: Partial<Record<KernelTarget, 'amd64' | 'arm64'>> = {
	'linux-x64': 'amd64',
	'linux-arm64': 'arm64',
}

async function main(): Promise<void> {
	const targets = parseTargets(process.argv.slice(2))
	const source = await readSource()
	const components = await readComponents()
	const licences = licenceDocument(components)
	rmSync(OUTPUT, { recursive: true, force: true })
	mkdirSync(OUTPUT, { recursive: true })
	const images: ImagePart[] = []
	for (const target of targets) {
		const executable = await build(target)
		await writeArchive(target, executable, source, licences)
		const architecture = DEBIAN[target]
		if (architecture === undefined) continue
		await writePackage(architecture, executable, source, licences)
		images.push({ architecture, executable })
	}
	if (images.length > 0) {
		await writeImage(images, join(OUTPUT, `alpha-${source.version}.oci.tar`), source, licences)
	}
	await writeTexts(source, components)
	await writeSums()
	for (const name of readdirSync(OUTPUT).sort()) {
		const megabytes = (statSync(join(OUTPUT, name)).size / 1e6).toFixed(1)
		console.log(`${megabytes.padStart(7)} MB  dist/release/${name}`)
	}
}

function parseTargets(names: readonly string[]): readonly KernelTarget[] {
	if (names.length === 0) return kernelTargets
	return names.map((name) => {
		const target = findTarget(name)
		if (target !== undefined) return target
		throw new Error(`expected targets of ${kernelTargets.join(', ')}, got "${name}"`)
	})
}

/** Builds a target with its commit inside, and returns its path. */
async function build(target: KernelTarget): Promise<string> {
	await runCommand([process.execPath, 'build.ts', '--release', '--target', target], { cwd: root })
	return join(root, 'dist', executableName(target, `alpha-${target}`))
}

function executableName(target: KernelTarget, name: string): string {
	return platformOf(target) === 'win32' ? `${name}.exe` : name
}

async function writeArchive(
	target: KernelTarget,
	executable: string,
	{ version, epoch, notes }: Source,
	licences: string,
): Promise<void> {
	const name = `alpha-${version}-${target}`
	const files = [
		{ path: executableName(target, 'alpha'), content: { from: executable }, mode: 0o755 },
		{ path: 'LICENSE', content: { from: join(root, 'LICENSE') } },
		{ path: 'README.md', content: { from: join(root, 'README.md') } },
		{ path: 'CHANGES.md', content: `${notes}\n` },
		{ path: 'licences.txt', content: licences },
	]
	const entries = files.map((file) => ({ ...file, path: `${name}/${file.path}` }))
	await archive(entries, join(OUTPUT, `${name}.tar.gz`), epoch, writeTarGz)
}

async function writePackage(
	architecture: 'amd64' | 'arm64',
	executable: string,
	{ version, epoch }: Source,
	licences: string,
): Promise<void> {
	const control = [
		'Package: alpha',
		`Version: ${version}`,
		`Architecture: ${architecture}`,
		'Maintainer: the Alpha authors <alpha@localhost>',
		`Installed-Size: ${Math.ceil(statSync(executable).size / 1024)}`,
		'Depends: libc6 (>= 2.17)',
		'Section: net',
		'Priority: optional',
		'Description: serves small GPT models trained from scratch',
		' One executable with an OpenAI-compatible API, a web page and SIMD kernels.',
		'',
	].join('\n')
	const own = await Bun.file(join(root, 'LICENSE')).text()
	const entries = [
		{ path: 'DEBIAN/control', content: control },
		{ path: 'usr/bin/alpha', content: { from: executable }, mode: 0o755 },
		{ path: 'usr/share/doc/alpha/copyright', content: `${own}\n${licences}` },
	]
	const output = join(OUTPUT, `alpha_${version}_${architecture}.deb`)
	await archive(entries, output, epoch, writeDeb)
}

async function writeTexts(source: Source, components: readonly Component[]): Promise<void> {
	writeFileSync(
		join(OUTPUT, `alpha-${source.version}.cdx.json`),
		billOfMaterials(source, components),
	)
	writeFileSync(join(OUTPUT, 'NOTES.md'), `# Alpha ${source.version}\n\n${source.notes}\n`)
	await Bun.write(join(OUTPUT, 'install.sh'), Bun.file(join(root, 'deploy/install.sh')))
}

/** What `sha256sum --check` reads; VERSION is what install.sh asks for first. */
async function writeSums(): Promise<void> {
	const names = readdirSync(OUTPUT).sort()
	const lines = await Promise.all(
		names.map(async (name) => `${await sha256Of(join(OUTPUT, name))}  ${name}\n`),
	)
	writeFileSync(join(OUTPUT, 'SHA256SUMS'), lines.join(''))
}

try {
	await main()
} catch (error) {
	console.error(error instanceof Error ? error.message : error)
	process.exit(1)
}
