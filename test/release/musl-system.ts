/**
 * What an Alpine system has beside a kernel: musl's loader from Debian 13, and the C++ library that a
 * wheel for Alpine brings along. As root, or wherever apt-get may download.
 */
import { mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand as run } from '../../deploy/release/command.ts'
import type { Architecture } from '../../src/kernels/targets.ts'

/** Debian 12's musl does not know the packed relocations of today's Alpine libraries. */
const SUITE = 'trixie'
const WHEEL = 'numpy==2.2.0'

/** What Debian and the kernel call a processor. */
interface Names {
	readonly debian: string
	readonly machine: string
}

const names: Readonly<Record<Architecture, Names>> = {
	x64: { debian: 'amd64', machine: 'x86_64' },
	arm64: { debian: 'arm64', machine: 'aarch64' },
}

/** Makes `root/lib` with loader and libraries. */
export async function makeMuslSystem(root: string, architecture: Architecture): Promise<void> {
	const library = join(root, 'lib')
	mkdirSync(library, { recursive: true })
	await takeLoader(root, library, names[architecture])
	await takeCxxLibrary(root, library, names[architecture])
}

async function takeLoader(
	root: string,
	library: string,
	{ debian, machine }: Names,
): Promise<void> {
	const state = join(root, '.apt')
	for (const path of ['lists/partial', 'cache/archives/partial']) {
		mkdirSync(join(state, path), { recursive: true })
	}
	const keys = '/usr/share/keyrings/debian-archive-keyring.gpg'
	const source = `deb [signed-by=${keys}] http://deb.debian.org/debian ${SUITE} main\n`
	writeFileSync(join(state, 'sources.list'), source)
	const options = [
		`Dir::Etc::sourcelist=${state}/sources.list`,
		'Dir::Etc::sourceparts=/dev/null',
		`Dir::State::lists=${state}/lists`,
		`Dir::Cache=${state}/cache`,
		`APT::Architectures=${debian}`,
		'APT::Sandbox::User=root',
	].flatMap((option) => ['-o', option])
	await run(['apt-get', ...options, '-qq', 'update'])
	await run(['apt-get', ...options, '-qq', 'download', `musl:${debian}`], { cwd: state })
	const [archive = ''] = readdirSync(state).filter((name) => name.endsWith('.deb'))
	await run(['dpkg-deb', '-x', join(state, archive), join(state, 'musl')])
	const loader = join(state, `musl/usr/lib/${machine}-linux-musl/libc.so`)
	renameSync(loader, join(library, `ld-musl-${machine}.so.1`))
}

async function takeCxxLibrary(root: string, library: string, { machine }: Names): Promise<void> {
	const directory = join(root, '.wheel')
	const tags = ['--platform', `musllinux_1_2_${machine}`, '--python-version', '312']
	const exactly = ['--no-deps', '--only-binary', ':all:', ...tags]
	await run(['python3', '-m', 'pip', 'download', '--quiet', ...exactly, '-d', directory, WHEEL])
	const [wheel = ''] = readdirSync(directory)
	const wanted = ['*.libs/libstdc++-*', '*.libs/libgcc_s-*']
	await run(['unzip', '-qqjo', join(directory, wheel), ...wanted, '-d', library])
	const [name = ''] = readdirSync(library).filter((name) => name.startsWith('libstdc++-'))
	renameSync(join(library, name), join(library, 'libstdc++.so.6'))
}
