/* Archives whose bytes depend on names and contents only, by GNU tar and dpkg-deb. */
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runCommand } from './command.ts'

/** `path` → text of a file, or `from` for one that is copied; directories are 0755. */
export interface Entry {
	/** Relative, in the archive. */
	readonly path: string
	readonly content: string | Uint8Array | { readonly from: string } | 'directory'
	/** Default: 0644, of directories 0755. */
	readonly mode?: number
}

/** Puts files where an archive is made from; `directory` must not exist. */
export async function stage(directory: string, entries: readonly Entry[]): Promise<void> {
	mkdirSync(directory, { recursive: true })
	for (const { path, content, mode } of entries) {
		const target = join(directory, path)
		mkdirSync(dirname(target), { recursive: true })
		if (content === 'directory') mkdirSync(target, { recursive: true })
		else if (typeof content === 'string' || content instanceof Uint8Array)
			writeFileSync(target, content)
		else await Bun.write(target, Bun.file(content.from))
		chmodSync(target, mode ?? (content === 'directory' ? 0o755 : 0o644))
	}
	// What the umask of this process has made of those in between.
	for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
		const isNamed = entries.some((entry) => entry.path === path)
		if (!isNamed && statSync(join(directory, path)).isDirectory())
			chmodSync(join(directory, path), 0o755)
	}
}

/** Everything in a directory as an uncompressed tar, owned by root. */
export async function writeTar(directory: string, output: string, epoch: number): Promise<void> {
	const fixed = ['--sort=name', `--mtime=@${epoch}`, '--owner=0', '--group=0', '--numeric-owner']
	const names = readdirSync(directory).sort()
	await runCommand([
		'tar',
		'--format=gnu',
		...fixed,
		'-C',
		directory,
		'-cf',
		output,
		'--',
		...names,
	])
}

/** The same, compressed. */
export async function writeTarGz(directory: string, output: string, epoch: number): Promise<void> {
	const tar = output.replace(/\.gz$/, '')
	await writeTar(directory, tar, epoch)
	// Without the name and the time of the file that it compresses.
	await runCommand(['gzip', '--no-name', '--force', '-9', tar])
}

/** A Debian package of a directory that has `DEBIAN/control`. */
export async function writeDeb(directory: string, output: string, epoch: number): Promise<void> {
	await runCommand(['dpkg-deb', '--root-owner-group', '-Zgzip', '--build', directory, output], {
		env: { SOURCE_DATE_EPOCH: String(epoch) },
	})
}

/** Stages, writes, and removes what was staged. */
export async function archive(
	entries: readonly Entry[],
	output: string,
	epoch: number,
	write: (directory: string, output: string, epoch: number) => Promise<void>,
): Promise<void> {
	const directory = `${output}.staged`
	rmSync(directory, { recursive: true, force: true })
	try {
		await stage(directory, entries)
		await write(directory, output, epoch)
	} finally {
		rmSync(directory, { recursive: true, force: true })
	}
}
