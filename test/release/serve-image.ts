/* An image with podman: locked down, asked for a text and for its health. */
import { runCommand as run } from '../../deploy/release/command.ts'
import { eventually } from '../helpers/eventually.ts'

const podman = ['podman', '--runtime', 'runc', '--cgroup-manager', 'cgroupfs']

/** Starts a container without rights, returns what it continues a prompt with, and ends it. Throws when it is not well. */
export async function serveImage(
	name: string,
	options: readonly string[] = [],
	port = 3000,
): Promise<string> {
	const safe = [
		'--read-only',
		'--cap-drop=ALL',
		'--security-opt=no-new-privileges',
		'--ulimit=nofile=1024:1024',
		'--ulimit=nproc=4096:4096',
		'--no-healthcheck',
	]
	const publish = ['--publish', `127.0.0.1::${port}`]
	const started = await run([...podman, 'run', '--detach', ...safe, ...publish, ...options, name])
	const id = started.trim()
	try {
		const [, published] = /:(\d+)\s*$/.exec(await run([...podman, 'port', id])) ?? []
		const url = `http://127.0.0.1:${published}`
		await eventually(
			async () => (await fetch(`${url}/readyz`).catch(() => null))?.ok === true,
			30_000,
		)
		await run([...podman, 'exec', id, '/alpha', 'health'])
		const response = await fetch(`${url}/api/generate?prompt=She&max_tokens=4`)
		const { text = '' } = (await response.json()) as { readonly text?: string }
		if (text === '') throw new Error('the image answers with no text')
		return text
	} finally {
		await run([...podman, 'rm', '--force', '--time=5', id])
	}
}
