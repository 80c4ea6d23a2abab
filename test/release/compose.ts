/* deploy/compose.yaml: read by Docker Compose's own loader, and run by podman-compose. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import { eventually } from '../helpers/eventually.ts'
import { freePort } from '../helpers/free-port.ts'
import { podmanEnv, podmanIn } from './podman.ts'

/** Refuses what the Compose Specification does not have. */
const LOADER = 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2'
const PODMAN_COMPOSE = 'podman-compose==1.6.0'
const PROJECT = 'alpha-compose-test'
const CONTAINER = `${PROJECT}_alpha_1`

const file = join(import.meta.dir, '../../deploy/compose.yaml')
const cache = join(import.meta.dir, '../../node_modules/.cache/compose')
const loader = join(cache, 'cmd')
const podmanCompose = join(cache, 'python/bin/podman-compose')

async function installComposeTools(): Promise<void> {
	if (!existsSync(loader)) await run(['go', 'install', LOADER], { env: { GOBIN: cache } })
	if (existsSync(podmanCompose)) return
	await run(['python3', '-m', 'venv', join(cache, 'python')])
	await run([join(cache, 'python/bin/pip'), 'install', '--quiet', PODMAN_COMPOSE])
}

/** Runs the file's service from an image that is there; what was seen, in words. Throws what is wrong. */
export async function runCompose(image: string, directory: string): Promise<string> {
	await installComposeTools()
	await run([loader, file])
	const port = freePort()
	const path = join(directory, 'compose.yaml')
	writeFileSync(path, forTest(readFileSync(file, 'utf8'), image, port))
	const podman = podmanIn(directory)
	const compose = (...args: readonly string[]) =>
		run([podmanCompose, '--project-name', PROJECT, '--file', path, ...args], {
			env: podmanEnv(directory),
		})
	try {
		await compose('up', '--detach', '--pull', 'never')
		const isReady = async () =>
			(await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.ok === true
		await eventually(isReady, 30_000).catch(async (error: unknown) => {
			throw new Error(`${error}\n${await podman('logs', CONTAINER)}`, { cause: error })
		})
		const host = '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}'
		const format = `${host} {{.EffectiveCaps}} {{.HostConfig.SecurityOpt}}`
		const rights = await podman('inspect', '--format', format, CONTAINER)
		const expected = `true ${2 ** 30} 2000000000 [] [no-new-privileges]`
		if (rights.trim() !== expected) throw new Error(`expected ${expected}, got ${rights}`)
		return `loaded by Compose's own loader, ready under podman-compose, ${expected}`
	} finally {
		await compose('down', '--volumes').catch(() => '')
	}
}

/** The same at a free port, with an image that is not built again. */
function forTest(text: string, image: string, port: number): string {
	const document = Bun.YAML.parse(text) as {
		readonly services: { readonly alpha: Readonly<Record<string, unknown>> }
	}
	const { build: _, ...service } = document.services.alpha
	const alpha = { ...service, image, ports: [`127.0.0.1:${port}:3000`] }
	return JSON.stringify({ ...document, services: { alpha } })
}
