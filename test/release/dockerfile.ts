/**
 * deploy/Dockerfile and deploy/compose.yaml with podman, where no registry of images can be reached: the base
 * is made from Debian and this machine's Bun. The image serves read-only, as nobody, with PORT from outside,
 * under a memory limit, is healthy, keeps its volume and ends with 0. Some minutes, as root:
 * `bun test/release/dockerfile.ts`; needs podman, runc, debootstrap, go, python3-venv.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import packageJson from '../../package.json'
import { runCompose } from './compose.ts'
import { podmanIn } from './podman.ts'
import { serveImage } from './serve-image.ts'

const root = join(import.meta.dir, '../..')
const BASE = `docker.io/oven/bun:${packageJson.devDependencies.bun}`
const IMAGE = 'localhost/alpha-dockerfile-test'
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
const directory = mkdtempSync(join(tmpdir(), 'alpha-dockerfile-'))
const podman = podmanIn(directory)

/** What docker.io/oven/bun is made of, as far as the Dockerfile asks: Debian and Bun. */
async function makeBase(): Promise<void> {
	const system = join(directory, 'debian')
	await run(['debootstrap', '--variant=minbase', 'bookworm', system])
	cpSync(process.execPath, join(system, 'usr/local/bin/bun'))
	// Registries may stand behind a proxy that only this machine's certificates vouch for.
	cpSync(CERTIFICATES, join(system, CERTIFICATES), { recursive: true })
	const archive = join(directory, 'base.tar')
	await run(['tar', '-C', system, '-cf', archive, '.'])
	const trust = ['--change', `ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}`]
	await podman('import', '--quiet', ...trust, archive, BASE)
}

async function buildImage(): Promise<void> {
	const file = join(root, 'deploy/Dockerfile')
	const ignore = ['--ignorefile', `${file}.dockerignore`]
	// Docker's format alone has health checks. Layers in between would stay behind.
	const options = ['--network=host', '--pull=never', '--format=docker', '--layers=false']
	await podman('build', ...options, ...ignore, '--tag', IMAGE, '--file', file, root)
}

try {
	await makeBase()
	await buildImage()
	const options = ['--memory=512m', '--env=PORT=8080']
	const told = await serveImage({ podman, name: IMAGE, port: 8080, options })
	console.log(`(pass) the image with PORT=8080: ${told}`)
	console.log(`(pass) compose.yaml: ${await runCompose(IMAGE, directory)}`)
} finally {
	await podman('rmi', '--force', IMAGE, BASE).catch(() => '')
	rmSync(directory, { recursive: true, force: true })
}
