/** What a release consists of; building one is `test/release/reproducible.ts`. */
import { describe, expect, test } from 'bun:test'
import { chmodSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { archive, writeDeb, writeTarGz } from '../../deploy/release/archive.ts'
import { sha256Of } from '../../deploy/release/command.ts'
import { licenceDocument, readComponents } from '../../deploy/release/components.ts'
import { writeImage } from '../../deploy/release/image.ts'
import { billOfMaterials } from '../../deploy/release/sbom.ts'
import { notesOf } from '../../deploy/release/source.ts'
import packageJson from '../../package.json'
import { tempDir } from '../helpers/temp-dir.ts'

const source = {
	version: '1.2.3',
	commit: '0123456789abcdef0123456789abcdef01234567',
	epoch: 1_700_000_000,
	notes: 'First.',
}
const canMakeDeb = Bun.which('dpkg-deb') !== null

function output(command: readonly string[]): string {
	return Bun.spawnSync([...command]).stdout.toString()
}

/** The digests of two archives of equal files with other times, modes and order of making. */
async function twoDigests(name: string, write: typeof writeTarGz): Promise<string[]> {
	const digests: string[] = []
	for (const [round, mode] of [0o600, 0o640].entries()) {
		using directory = tempDir()
		const from = join(directory.path, 'program')
		writeFileSync(from, 'bytes')
		chmodSync(from, mode)
		utimesSync(from, round, round)
		const control =
			'Package: a\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b>\nDescription: a\n'
		const entries = [
			{ path: 'DEBIAN/control', content: control },
			{ path: 'usr/bin/alpha', content: { from }, mode: 0o755 },
			{ path: 'usr/share/text', content: 'text' },
		]
		const path = join(directory.path, name)
		await archive(round === 0 ? entries : entries.reverse(), path, source.epoch, write)
		digests.push(await sha256Of(path))
	}
	return digests
}

describe('archives of equal files are equal', () => {
	test('tar.gz', async () => {
		const [first, second] = await twoDigests('a.tar.gz', writeTarGz)
		expect(second).toBe(first!)
	})

	test.skipIf(!canMakeDeb)(`deb${canMakeDeb ? '' : ' (skipped: no dpkg-deb)'}`, async () => {
		const [first, second] = await twoDigests('a.deb', writeDeb)
		expect(second).toBe(first!)
	})
})

describe('the notes of a version', () => {
	const changelog = '# Changes\n\n## 1.10.0\n\nTen.\n\n## 1.1.0\n\nOne.\n'

	test('are its section of the changelog', () => {
		expect(notesOf('1.1.0', changelog)).toBe('One.')
	})

	test('must be there', () => {
		expect(() => notesOf('1.1', changelog)).toThrow('expected a section "## 1.1" with text')
	})

	test('are there for the version of package.json', async () => {
		const path = join(import.meta.dir, '../../deploy/CHANGELOG.md')
		expect(notesOf(packageJson.version, await Bun.file(path).text())).not.toBe('')
	})
})

describe('what others have written', () => {
	test('is all of it in the bill of materials, with hashes and licences', async () => {
		const components = await readComponents()
		const bill = JSON.parse(billOfMaterials(source, components))
		const names = bill.components.map(({ name }: { name: string }) => name)
		expect(names).toEqual(expect.arrayContaining(Object.keys(packageJson.dependencies)))
		expect(new Set(names).size).toBe(names.length)
		for (const { name, hashes, licenses } of bill.components) {
			expect(licenses).toHaveLength(1)
			if (name !== 'bun') expect(hashes[0].content).toMatch(/^[0-9a-f]{128}$/)
		}
		const refs = new Set(bill.components.map((part: { 'bom-ref': string }) => part['bom-ref']))
		expect(bill.dependencies[0].dependsOn.every((ref: string) => refs.has(ref))).toBe(true)
	})

	test('comes with the texts of its licences', async () => {
		const components = await readComponents()
		const text = licenceDocument(components)
		for (const { name, version } of components) expect(text).toContain(`${name} ${version} (`)
		expect(text).toContain('JavaScriptCore')
		expect(text.match(/Permission is hereby granted/g)!.length).toBeGreaterThan(10)
	})

	test('is told in the same bytes for the same commit', async () => {
		const components = await readComponents()
		expect(billOfMaterials(source, components)).toBe(billOfMaterials(source, components))
	})
})

test.skipIf(process.arch !== 'x64')(
	'the image has the executable, its user and its limits',
	async () => {
		using directory = tempDir()
		const executable = join(directory.path, 'alpha')
		writeFileSync(executable, '#!/bin/sh\n')
		const part = { architecture: 'amd64', executable } as const
		const [first, second] = ['one.tar', 'two.tar'].map((name) => join(directory.path, name))
		await writeImage([part], first!, source, 'licences')
		await writeImage([part], second!, source, 'licences')
		expect(await sha256Of(second!)).toBe(await sha256Of(first!))

		const read = (path: string) => output(['tar', '-xOf', first!, path])
		const { manifests } = JSON.parse(read('index.json'))
		const blob = (digest: string) => read(`blobs/${digest.replace(':', '/')}`)
		const manifest = JSON.parse(blob(manifests[0].digest))
		const { config } = JSON.parse(blob(manifest.config.digest))
		expect(config).toMatchObject({
			User: '65532:65532',
			Entrypoint: ['/alpha'],
			Env: ['ALPHA_HOST=0.0.0.0', 'CHECKPOINTS_DIR=/checkpoints'],
			Healthcheck: { Test: ['CMD', '/alpha', 'health'] },
		})
		const layer = join(directory.path, 'layer')
		Bun.spawnSync([
			'sh',
			'-c',
			`tar -xOf "$0" "$1" > "$2"`,
			first!,
			`blobs/${manifest.layers[0].digest.replace(':', '/')}`,
			layer,
		])
		const files = output(['tar', '-tzf', layer]).split('\n')
		expect(files).toEqual(
			expect.arrayContaining(['alpha', 'lib/libc.so.6', 'checkpoints/', 'etc/passwd']),
		)
	},
)
