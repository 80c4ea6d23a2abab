/* As much of Kubernetes' manifests as the tests read. */

export interface Probe {
	readonly httpGet: { readonly path: string; readonly port: string }
	readonly periodSeconds: number
	readonly timeoutSeconds?: number
	readonly failureThreshold: number
}

export interface Container {
	readonly image: string
	readonly args: readonly string[]
	readonly ports: readonly { readonly name: string; readonly containerPort: number }[]
	readonly startupProbe: Probe
	readonly readinessProbe: Probe
	readonly livenessProbe: Probe
}

export interface PodSpec {
	readonly terminationGracePeriodSeconds: number
	readonly containers: readonly [Container]
}

export interface Manifest {
	readonly kind: string
	readonly metadata: { readonly name: string }
	/** Of a ConfigMap. */
	readonly data?: Readonly<Record<string, string>>
	readonly spec?: object
}

/** The documents of a YAML text. */
export function parseManifests(text: string): Manifest[] {
	return ([Bun.YAML.parse(text)].flat() as (Manifest | null)[]).filter((each) => each !== null)
}

/** The manifest of a kind. Throws when there is none. */
export function onlyOf(manifests: readonly Manifest[], kind: string): Manifest {
	const found = manifests.find((manifest) => manifest.kind === kind)
	if (found === undefined) throw new Error(`expected a ${kind}`)
	return found
}

/** The pod of the Deployment among manifests. */
export function podOf(manifests: readonly Manifest[]): PodSpec {
	const { spec } = onlyOf(manifests, 'Deployment') as {
		readonly spec?: { readonly template?: object }
	}
	if (spec?.template === undefined) throw new Error('expected a Deployment with a template')
	return (spec.template as { readonly spec: PodSpec }).spec
}

/** The settings of the ConfigMap among manifests, as variables. */
export function settingsOf(manifests: readonly Manifest[]): Readonly<Record<string, string>> {
	return onlyOf(manifests, 'ConfigMap').data ?? {}
}
