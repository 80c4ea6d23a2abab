/* The manifest in podman: its deployment, settings, volumes, limits and rights, without a cluster. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeImage } from '../../deploy/release/image.ts'
import { executablePath } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/free-port.ts'
import { type Manifest, onlyOf, type PodSpec, parseManifests, podOf } from './manifests.ts'
import { podmanIn } from './podman.ts'

/** Plays the deployment and asks it for a text; returns what was seen. Takes the pod and its image away. */
export async function playPod(text: string, directory: string): Promise<string> {
	const podman = podmanIn(directory)
	const name = 'alpha-kubernetes-test'
	const image = `localhost/${name}:latest`
	const archive = join(directory, 'image.tar')
	const source = { version: name, commit: '0'.repeat(40), epoch: 1_700_000_000, notes: '' }
	const architecture = process.arch === 'x64' ? 'amd64' : 'arm64'
	await writeImage([{ architecture, executable: executablePath }], archive, source, 'licences')
	await podman('pull', '--quiet', `oci-archive:${archive}`)

	const manifests = parseManifests(text)
	const path = join(directory, 'play.yaml')
	const port = freePort()
	const played = [onlyOf(manifests, 'ConfigMap'), forPodman(manifests, image, port)]
	writeFileSync(path, played.map((each) => JSON.stringify(each)).join('\n---\n'))
	try {
		await podman('play', 'kube', '--quiet', path)
		const url = `http://127.0.0.1:${port}`
		const isReady = async () => (await fetch(`${url}/readyz`).catch(() => null))?.ok === true
		await eventually(isReady, 60_000)
		const [id] = (await podman('ps', '--quiet', '--filter', `ancestor=${image}`)).split('\n')
		await podman('exec', id!, '/alpha', 'health')
		const seen = await podman(
			'inspect',
			'--format',
			'{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}} {{.EffectiveCaps}}',
			id!,
		)
		const expected = `65532:65532 true ${2 ** 30} []`
		if (seen.trim() !== expected) throw new Error(`expected ${expected}, got ${seen}`)
		const answer = await fetch(`${url}/api/generate?prompt=She&max_tokens=4`)
		const { text: said = '' } = (await answer.json()) as { readonly text?: string }
		if (said === '') throw new Error('it answers with no text')
		return `healthy, ${seen.trim()}, says ${JSON.stringify(said)}`
	} finally {
		await podman('play', 'kube', '--down', path).catch(() => '')
		await podman('rmi', '--force', image).catch(() => '')
	}
}

/**
 * One replica at a port of this machine, without probes: podman asks them with curl and a shell inside the
 * container, and the image has neither. `livePod` asks them as a kubelet does.
 */
function forPodman(manifests: readonly Manifest[], image: string, port: number): object {
	const deployment = structuredClone(onlyOf(manifests, 'Deployment')) as unknown as {
		readonly spec: { replicas: number; readonly template: { spec: PodSpec } }
	}
	const { containers, ...spec } = podOf(manifests)
	const { startupProbe: _, readinessProbe: __, livenessProbe: ___, ...container } = containers[0]
	const ports = container.ports.map((each) => ({ ...each, hostIP: '127.0.0.1', hostPort: port }))
	deployment.spec.replicas = 1
	deployment.spec.template.spec = {
		...spec,
		containers: [{ ...container, image, ports }],
	} as unknown as PodSpec
	return deployment
}
