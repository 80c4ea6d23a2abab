/*
 * The container image as an OCI archive, without a container engine: the executable, the C library of
 * the machine that builds, and nothing else. `podman load -i`, `skopeo copy oci-archive:` read it.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { archive, type Entry, writeTar, writeTarGz } from './archive.ts'
import { runCommand, sha256Of } from './command.ts'
import type { Source } from './source.ts'

export interface ImagePart {
	readonly architecture: 'amd64' | 'arm64'
	readonly executable: string
}

/** Where glibc is for each processor on Debian, and what Bun needs of it. */
const systems = {
	amd64: { directory: '/lib/x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2', at: 'lib64' },
	arm64: { directory: '/usr/aarch64-linux-gnu/lib', loader: 'ld-linux-aarch64.so.1', at: 'lib' },
} as const
const LIBRARIES = ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'libresolv.so.2']

/** Nobody's number: the one that images without a shell have for it. */
const USER = 65532

/** Writes the archive with an image for each processor. Throws where glibc for one is missing. */
export async function writeImage(
	parts: readonly ImagePart[],
	output: string,
	source: Source,
	licences: string,
): Promise<void> {
	const layout = `${output}.layout`
	rmSync(layout, { recursive: true, force: true })
	const blobs = join(layout, 'blobs/sha256')
	mkdirSync(blobs, { recursive: true })
	try {
		const manifests = []
		for (const part of parts) manifests.push(await writePart(part, blobs, source, licences))
		const index = { schemaVersion: 2, mediaType: media('image.index'), manifests }
		writeFileSync(join(layout, 'index.json'), JSON.stringify(index))
		writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
		await writeTar(layout, output, source.epoch)
	} finally {
		rmSync(layout, { recursive: true, force: true })
	}
}

async function writePart(
	{ architecture, executable }: ImagePart,
	blobs: string,
	source: Source,
	licences: string,
) {
	const layer = join(blobs, 'layer.tar.gz')
	await archive(rootFiles(architecture, executable, licences), layer, source.epoch, writeTarGz)
	// An image is named by what the layer is before its compression.
	const tar = join(blobs, 'layer.tar')
	await runCommand(['sh', '-c', 'gzip -dc "$1" > "$2"', 'sh', layer, tar])
	const diffId = await sha256Of(tar)
	rmSync(tar)
	const created = new Date(source.epoch * 1000).toISOString()
	const config = {
		created,
		architecture,
		os: 'linux',
		config: {
			User: `${USER}:${USER}`,
			ExposedPorts: { '3000/tcp': {} },
			Env: ['ALPHA_HOST=0.0.0.0', 'CHECKPOINTS_DIR=/checkpoints'],
			Entrypoint: ['/alpha'],
			Volumes: { '/checkpoints': {} },
			StopSignal: 'SIGTERM',
			Healthcheck: { Test: ['CMD', '/alpha', 'health'], Interval: 10e9, Timeout: 5e9, Retries: 3 },
			Labels: {
				'org.opencontainers.image.title': 'alpha',
				'org.opencontainers.image.version': source.version,
				'org.opencontainers.image.revision': source.commit,
				'org.opencontainers.image.licenses': 'MIT',
			},
		},
		rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
		history: [{ created, created_by: 'bun run release' }],
	}
	const manifest = {
		schemaVersion: 2,
		mediaType: media('image.manifest'),
		config: await addBlob(blobs, JSON.stringify(config), media('image.config')),
		layers: [await addFile(blobs, layer, 'application/vnd.oci.image.layer.v1.tar+gzip')],
	}
	const blob = await addBlob(blobs, JSON.stringify(manifest), media('image.manifest'))
	const annotations = { 'org.opencontainers.image.ref.name': source.version }
	return { ...blob, platform: { architecture, os: 'linux' }, annotations }
}

function rootFiles(
	architecture: ImagePart['architecture'],
	executable: string,
	licences: string,
): Entry[] {
	const { directory, loader, at } = systems[architecture]
	if (!existsSync(join(directory, loader))) {
		throw new Error(
			`the image for ${architecture} needs glibc in ${directory}: apt install libc6-${architecture}-cross`,
		)
	}
	return [
		{ path: 'alpha', content: { from: executable }, mode: 0o755 },
		{ path: `${at}/${loader}`, content: { from: join(directory, loader) }, mode: 0o755 },
		...LIBRARIES.map((name) => ({
			path: `lib/${name}`,
			content: { from: join(directory, name) },
			mode: 0o755,
		})),
		{ path: 'etc/passwd', content: `alpha:x:${USER}:${USER}::/checkpoints:/alpha\n` },
		{ path: 'etc/group', content: `alpha:x:${USER}:\n` },
		{ path: 'licences.txt', content: `${GLIBC}\n\n${licences}` },
		{ path: 'checkpoints', content: 'directory', mode: 0o1777 },
		{ path: 'tmp', content: 'directory', mode: 0o1777 },
	]
}

const GLIBC =
	"This image also contains files of the GNU C library under the LGPL 2.1 or later, unchanged from Debian's package libc6, whose source Debian has."

async function addBlob(blobs: string, text: string, mediaType: string) {
	const path = join(blobs, 'blob')
	writeFileSync(path, text)
	return addFile(blobs, path, mediaType)
}

async function addFile(blobs: string, path: string, mediaType: string) {
	const digest = await sha256Of(path)
	const { size } = Bun.file(path)
	renameSync(path, join(blobs, digest))
	return { mediaType, digest: `sha256:${digest}`, size }
}

function media(kind: string): string {
	return `application/vnd.oci.${kind}.v1+json`
}
