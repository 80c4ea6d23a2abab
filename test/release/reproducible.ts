/**
 * Two releases of the commit that is checked out, from two clones in two directories, have the same bytes;
 * the image serves, read-only and as nobody, where podman is; the package installs into an empty root.
 * Some minutes, as root: `bun test/release/reproducible.ts [TARGET…]`, default linux-x64.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import { podmanIn } from './podman.ts'
import { serveImage } from './serve-image.ts'

const root = join(import.meta.dir, '../..')
const targets = process.argv.length > 2 ? process.argv.slice(2) : ['linux-x64']
const directory = mkdtempSync(join(tmpdir(), 'alpha-release-'))
let failures = 0

function tell(isRight: boolean, what: string): void {
	console.log(`(${isRight ? 'pass' : 'fail'}) ${what}`)
	if (!isRight) failures++
}

/** A clone of the commit that is checked out. */
async function clone(name: string): Promise<string> {
	const path = join(directory, name)
	await run(['git', 'clone', '--quiet', '--no-hardlinks', root, path])
	return path
}

/** Makes a release in a clone; returns its directory. */
async function release(path: string): Promise<string> {
	const start = performance.now()
	console.log(await run([process.execPath, 'run', 'release', ...targets], { cwd: path }))
	console.log(`released in ${((performance.now() - start) / 1000).toFixed(0)} s`)
	return join(path, 'dist/release')
}

try {
	const [one, two] = [await clone('one'), await clone('two/deeper')]
	const [first, second] = [await release(one), await release(two)]
	const sums = (path: string) => readFileSync(join(path, 'SHA256SUMS'), 'utf8')
	tell(sums(first) === sums(second), `two releases of one commit are equal:\n${sums(first)}`)
	await run(['sha256sum', '--check', '--strict', '--quiet', 'SHA256SUMS'], { cwd: first })
	const files = readdirSync(first)
	const packageName = files.find((name) => name.endsWith('_amd64.deb'))
	if (packageName !== undefined) {
		const unpacked = join(directory, 'package')
		await run(['dpkg-deb', '--extract', join(first, packageName), unpacked])
		const version = await run([join(unpacked, 'usr/bin/alpha'), '--version'])
		tell(/^alpha [\d.]+ \([0-9a-f]{12}, \d{4}-\d\d-\d\d\)\n$/.test(version), version.trim())
	}
	const image = files.find((name) => name.endsWith('.oci.tar'))
	if (image !== undefined && Bun.which('podman') !== null) {
		const podman = podmanIn(directory)
		const loaded = await podman('load', '--quiet', '--input', join(first, image))
		const name = loaded.trim().split(' ').at(-1) ?? ''
		// Podman takes no notice of health checks in OCI's format; Docker does.
		const options = ['--health-cmd=["/alpha","health"]']
		tell(true, `the image: ${await serveImage({ podman, name, port: 3000, options })}`)
		await podman('rmi', '--force', name)
	}
	cpSync(first, join(root, 'dist/release'), { recursive: true })
} finally {
	rmSync(directory, { recursive: true, force: true })
}
process.exit(failures === 0 ? 0 : 1)
