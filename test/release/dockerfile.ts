/**
 * deploy/Dockerfile with podman, where no registry of images can be reached: its base is made from Debian
 * and this machine's Bun. The image serves read-only, as nobody, with PORT from outside, under a memory
 * limit. Some minutes, as root: `bun test/release/dockerfile.ts`; needs podman, runc, debootstrap.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import packageJson from '../../package.json'
import { serveImage } from './serve-image.ts'

const root = join(import.meta.dir, '../..')
const podman = ['podman', '--runtime', 'runc', '--cgroup-manager', 'cgroupfs']
const base = `docker.io/oven/bun:${packageJson.devDependencies.bun}`
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt'
const directory = mkdtempSync(join(tmpdir(), 'alpha-dockerfile-'))

try {
	const system = join(directory, 'debian')
	await run(['debootstrap', '--variant=minbase', 'bookworm', system])
	cpSync(process.execPath, join(system, 'usr/local/bin/bun'))
	// Registries may stand behind a proxy that only this machine's certificates vouch for.
	cpSync(CERTIFICATES, join(system, CERTIFICATES), { recursive: true })
	await run(['tar', '-C', system, '-cf', join(directory, 'base.tar'), '.'])
	const trust = ['--change', `ENV NODE_EXTRA_CA_CERTS=${CERTIFICATES}`]
	await run([...podman, 'import', '--quiet', ...trust, join(directory, 'base.tar'), base])
	const file = join(root, 'deploy/Dockerfile')
	const options = ['--network=host', '--pull=never', '--format=docker', '--tag', 'alpha-dockerfile']
	const ignore = ['--ignorefile', `${file}.dockerignore`]
	await run([...podman, 'build', ...options, ...ignore, '--file', file, root])
	const told = await serveImage('alpha-dockerfile', ['--memory=512m', '--env=PORT=8080'], 8080)
	console.log(`(pass) the image serves with PORT=8080 and 512 MB: ${JSON.stringify(told)}`)
} finally {
	await run([...podman, 'rmi', '--force', 'alpha-dockerfile', base]).catch(() => '')
	rmSync(directory, { recursive: true, force: true })
}
