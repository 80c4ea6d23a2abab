/* The bill of materials in CycloneDX 1.6, which scanners of vulnerabilities read. */
import packageJson from '../../package.json'
import type { Component } from './components.ts'
import type { Source } from './source.ts'

/** As a JSON text; the same for the same commit. */
export function billOfMaterials(source: Source, components: readonly Component[]): string {
	const { version, commit, epoch } = source
	const bun = packageJson.devDependencies.bun
	const alpha = `pkg:generic/alpha@${version}`
	const parts = [
		{
			type: 'application',
			'bom-ref': `pkg:npm/bun@${bun}`,
			name: 'bun',
			version: bun,
			purl: `pkg:npm/bun@${bun}`,
			licenses: [{ license: { id: 'MIT' } }],
		},
		...components.map(({ name, version, licence, integrity }) => {
			const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
			return {
				type: 'library',
				'bom-ref': purl,
				name,
				version,
				purl,
				licenses: /^[\w.-]+$/.test(licence)
					? [{ license: { id: licence } }]
					: [{ expression: licence }],
				...(integrity === null ? {} : { hashes: [hashOf(integrity)] }),
			}
		}),
	]
	const document = {
		$schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
		bomFormat: 'CycloneDX',
		specVersion: '1.6',
		serialNumber: `urn:uuid:${uuidOf(`${version} ${commit}`)}`,
		version: 1,
		metadata: {
			timestamp: new Date(epoch * 1000).toISOString(),
			component: {
				type: 'application',
				'bom-ref': alpha,
				name: 'alpha',
				version,
				purl: alpha,
				licenses: [{ license: { id: packageJson.license } }],
				properties: [{ name: 'commit', value: commit }],
			},
		},
		components: parts,
		dependencies: [
			{ ref: alpha, dependsOn: parts.map((part) => part['bom-ref']) },
			...parts.map((part) => ({ ref: part['bom-ref'] })),
		],
	}
	return `${JSON.stringify(document, null, '\t')}\n`
}

/** From `sha512-<base64>`. */
function hashOf(integrity: string): { readonly alg: string; readonly content: string } {
	const [algorithm = '', digest = ''] = integrity.split('-', 2)
	const alg = algorithm.toUpperCase().replace('SHA', 'SHA-')
	return { alg, content: Buffer.from(digest, 'base64').toString('hex') }
}

/** A UUID that a text decides (version 8 of RFC 9562). */
function uuidOf(text: string): string {
	const hex = new Bun.CryptoHasher('sha256').update(text).digest('hex')
	const groups = [
		hex.slice(0, 8),
		hex.slice(8, 12),
		`8${hex.slice(13, 16)}`,
		`8${hex.slice(17, 20)}`,
	]
	return [...groups, hex.slice(20, 32)].join('-')
}
