/**
 * deploy/kubernetes with the tools of Kubernetes: both Kustomizations and the chart are rendered, held against
 * the schemas of the oldest and the newest version, and compared. Then a pod's life without a cluster: the
 * executable under the probes, settings and times of the manifest, and the manifest itself with `podman play
 * kube`. Some minutes: `bun test/release/kubernetes.ts`; needs dist/alpha, go, python3, unzip; as root with
 * podman, runc, catatonit for its last part.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conform, installKubernetesTools, kubernetesVersions, runTool } from './kubernetes-tools.ts'
import { type Manifest, parseManifests } from './manifests.ts'
import { playPod } from './play-pod.ts'
import { livePod } from './pod-life.ts'

const sources = join(import.meta.dir, '../../deploy/kubernetes')
const chart = join(sources, 'chart')
const NEWEST = kubernetesVersions.at(-1)!
const directory = mkdtempSync(join(tmpdir(), 'alpha-kubernetes-'))

let failures = 0
/** Tells whether `work` went well, and what it has found out. */
async function check(what: string, work: () => Promise<string | undefined>): Promise<void> {
	const { isRight, told } = await work().then(
		(found) => ({ isRight: true, told: found }),
		(error: unknown) => ({ isRight: false, told: String(error) }),
	)
	if (!isRight) failures++
	console.log(`(${isRight ? 'pass' : 'fail'}) ${what}${told === undefined ? '' : `: ${told}`}`)
}

function template(values: readonly string[]): Promise<string> {
	const set = values.flatMap((value) => ['--set', value])
	return runTool('helm', ['template', 'alpha', chart, '--kube-version', NEWEST, ...set])
}

/** Manifests that Kustomize and Helm should agree on, without what only one of them has. */
function comparable(text: string): Manifest[] {
	const bare = parseManifests(text).map((manifest) => {
		const kept = JSON.stringify(manifest, (key, value) => {
			if (/^app\.kubernetes\.io\/(instance|version|managed-by)$/.test(key)) return undefined
			if (key === 'annotations' || value === 'ClusterIP') return undefined
			// The hash of the settings.
			return typeof value === 'string' ? value.replace(/^alpha-[a-z0-9]{10}$/, 'alpha') : value
		})
		return JSON.parse(kept) as Manifest
	})
	return bare.sort((a, b) => a.kind.localeCompare(b.kind))
}

async function areEqual(kustomized: string, templated: string): Promise<undefined> {
	const [one, other] = [comparable(kustomized), comparable(templated)]
	for (const [i, manifest] of one.entries()) {
		if (Bun.deepEquals(manifest, other[i], true)) continue
		throw new Error(`${JSON.stringify(manifest)}\nis not\n${JSON.stringify(other[i])}`)
	}
	if (one.length !== other.length) throw new Error('the chart has more')
	return undefined
}

try {
	await installKubernetesTools()
	const base = await runTool('kustomize', ['build', join(sources, 'base')])
	const autoscaled = await runTool('kustomize', ['build', join(sources, 'autoscaled')])
	const withAll = ['autoscaling.enabled=true', 'serviceMonitor.enabled=true']
	const plainChart = await template([])
	const fullChart = await template(withAll)
	const changed = [
		'image.tag=9',
		'checkpoints.claimName=runs',
		'secretName=keys',
		'networkPolicy.enabled=false',
	]
	const rendered = {
		base,
		autoscaled,
		plainChart,
		fullChart,
		changedChart: await template(changed),
	}

	for (const [name, text] of Object.entries(rendered)) {
		const path = join(directory, `${name}.yaml`)
		writeFileSync(path, text)
		for (const version of kubernetesVersions) {
			await check(`${name} is valid for Kubernetes ${version}`, async () =>
				(await conform(path, version)).trim(),
			)
		}
	}
	await check('a field that does not exist is found', async () => {
		const path = join(directory, 'wrong.yaml')
		for (const [right, wrong] of [
			['maxSurge', 'maxSurges'],
			['jobLabel', 'jobLabels'],
		] as const) {
			writeFileSync(path, autoscaled.replace(right, wrong))
			const isFound = await conform(path, NEWEST).then(
				() => false,
				(error: unknown) => String(error).includes(wrong),
			)
			if (!isFound) throw new Error(`${wrong} was let through`)
		}
		return undefined
	})
	await check('helm lint', async () => {
		const options = ['--strict', '--kube-version', NEWEST]
		const told = await runTool('helm', ['lint', chart, ...options])
		return told.trim().split('\n').at(-1)
	})
	await check('the chart is the base', () => areEqual(base, plainChart))
	await check('the chart with all of it is the autoscaled one', () =>
		areEqual(autoscaled, fullChart),
	)
	await check('a pod lives and ends as its manifest says, and no request is lost', () =>
		livePod(base),
	)
	if (Bun.which('podman') === null) console.log('(skip) podman play kube: there is no podman')
	else await check('podman play kube', () => playPod(base, directory))
} finally {
	rmSync(directory, { recursive: true, force: true })
}
process.exit(failures === 0 ? 0 : 1)
