/**
 * Gets what some tests need besides Bun and a C compiler: Debian packages and clients in
 * other languages. Quick when everything is there. Never fails: it says what it could not get, and
 * those tests skip.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Debian packages and a sign (command or file pattern) that each is already there. */
const DEBIAN_PACKAGES: readonly (readonly [name: string, sign: string])[] = [
	['chromium', 'chromium'],
	['clang-14', 'clang-14'],
	['clang-format-14', 'clang-format-14'],
	['clang-tidy-14', 'clang-tidy-14'],
	['cppcheck', 'cppcheck'],
	['libclang-rt-14-dev', '/usr/lib/llvm-14/lib/clang/*/lib/linux/libclang_rt.asan*.a'],
	['gcc-aarch64-linux-gnu', 'aarch64-linux-gnu-gcc'],
	['libc6-dev-arm64-cross', '/usr/aarch64-linux-gnu/include/stdio.h'],
	['qemu-user', 'qemu-aarch64'],
	['nginx', 'nginx'],
	['haproxy', 'haproxy'],
	['caddy', 'caddy'],
	['openssh-server', 'sshd'],
	['rsync', 'rsync'],
	['python3-venv', '/usr/lib/python3*/ensurepip/__init__.py'],
	['strace', 'strace'],
	['tmux', 'tmux'],
	['zsh', 'zsh'],
	['fish', 'fish'],
	['prometheus', 'prometheus'],
	['shellcheck', 'shellcheck'],
	['musl-dev', '/usr/lib/*-linux-musl/musl-gcc.specs'],
	['gcc-mingw-w64-x86-64-posix', 'x86_64-w64-mingw32-gcc'],
]

/** Virtual environments of Python clients; those of the second do not take the newest openai yet. */
const PYTHON_ENVIRONMENTS: Readonly<Record<string, readonly string[]>> = {
	'python-newest': ['openai==3.57.0', 'openai-agents==0.24.0', 'pydantic-ai-slim[openai]==2.68.0'],
	'python-clients': [
		'openai==2.54.0',
		'litellm[proxy]==1.105.0',
		'langchain-openai==1.6.7',
		'schemathesis==4.32.5',
		'jsonschema[format]==4.26.0',
		'lm-eval[api]==0.4.13',
		'instructor==1.17.0',
		'llama-index-llms-openai-like==0.8.1',
		'haystack-ai==3.4.1',
		'smolagents[openai]==1.26.0',
	],
	'python-openapi': ['openapi-python-client==0.29.1'],
}
/** The source package of a validator that brings the public JSON-Schema-Test-Suite along. */
const JSON_SCHEMA_PACKAGE = 'jsonschema==4.26.0'
/** Installs them in a quarter of pip's time. */
const UV = 'uv==0.13.9'

/** Holds the environments; `bun install` leaves this directory alone. */
const cacheDirectory = join(import.meta.dir, '../node_modules/.cache')

const COMMAND_PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`

function isPresent(sign: string): boolean {
	if (!sign.startsWith('/')) return Bun.which(sign, { PATH: COMMAND_PATH }) !== null
	for (const _ of new Bun.Glob(sign.slice(1)).scanSync({ cwd: '/', followSymlinks: true }))
		return true
	return false
}

/** Runs a command without input; its output is shown only when it fails. */
async function run(command: readonly string[], env: Record<string, string> = {}): Promise<boolean> {
	if (Bun.which(command[0]!, { PATH: COMMAND_PATH }) === null) {
		console.log(`install: there is no ${command[0]}`)
		return false
	}
	const child = Bun.spawn([...command], {
		env: { ...process.env, ...env },
		stdin: 'ignore',
		stdout: 'pipe',
		stderr: 'pipe',
		timeout: 15 * 60_000,
	})
	const [status, ...texts] = await Promise.all([
		child.exited,
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
	])
	if (status === 0) return true
	console.log(`install: ${command.join(' ')} failed\n${texts.join('').trim().slice(-2000)}`)
	return false
}

async function installDebianPackages(): Promise<void> {
	const missing = DEBIAN_PACKAGES.filter(([, sign]) => !isPresent(sign)).map(([name]) => name)
	if (missing.length === 0) return
	if (process.getuid?.() !== 0 || Bun.which('apt-get') === null) {
		console.log(`install: some tests will skip; as root: apt-get install ${missing.join(' ')}`)
		return
	}
	console.log(`install: apt-get install ${missing.join(' ')}`)
	// Run level 1 keeps the packages from starting their servers.
	const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
	await run(['apt-get', 'update', '-qq'], env)
	const install = ['apt-get', 'install', '-qq', '-y', '--no-install-recommends']
	if (await run([...install, ...missing], env)) return
	// One package that the distribution lacks must not cost the others.
	for (const name of missing) await run([...install, name], env)
}

/** A directory of the cache with a stamp that says what is installed there. */
async function installOnce(
	name: string,
	wanted: string,
	install: (directory: string) => Promise<boolean>,
): Promise<void> {
	const directory = join(cacheDirectory, name)
	const stamp = Bun.file(join(directory, 'installed.txt'))
	if ((await stamp.exists()) && (await stamp.text()) === wanted) return
	if (await install(directory)) await Bun.write(stamp, wanted)
	else console.log(`install: the tests with ${name} will skip`)
}

/** False, with a line that says so, when a command is missing. */
function isThere(command: string): boolean {
	if (Bun.which(command) !== null) return true
	console.log(`install: there is no ${command}`)
	return false
}

function installPythonPackages(name: string, packages: readonly string[]): Promise<void> {
	return installOnce(name, packages.join('\n'), async (directory) => {
		if (!isThere('python3')) return false
		console.log(`install: uv pip install ${packages.join(' ')}`)
		const [pip, python, uv] = ['pip', 'python', 'uv'].map((tool) => join(directory, 'bin', tool))
		return (
			(existsSync(pip!) || (await run(['python3', '-m', 'venv', directory]))) &&
			(await run([pip!, 'install', '--quiet', '--disable-pip-version-check', UV])) &&
			(await run([uv!, 'pip', 'install', '--quiet', '--python', python!, ...packages]))
		)
	})
}

async function installGoClient(): Promise<void> {
	const source = join(import.meta.dir, 'clients/go')
	const files = ['main.go', 'go.sum'].map((file) => Bun.file(join(source, file)).text())
	await installOnce('go-client', (await Promise.all(files)).join('\n'), async (directory) => {
		if (!isThere('go')) return false
		console.log('install: go build test/clients/go')
		return run(['go', 'build', '-C', source, '-o', join(directory, 'client'), '.'])
	})
}

async function installJavaClient(): Promise<void> {
	const project = join(import.meta.dir, 'clients/java/pom.xml')
	await installOnce('java-client', await Bun.file(project).text(), async (directory) => {
		if (!isThere('java') || !isThere('mvn')) return false
		console.log('install: mvn dependency:copy-dependencies test/clients/java')
		const output = `-DoutputDirectory=${join(directory, 'jars')}`
		return run(['mvn', '-q', '-B', '-f', project, 'dependency:copy-dependencies', output])
	})
}

/** What reads OpenAPI documents: a linter and a generator of types, with the compiler that it needs. */
async function installOpenApiTools(): Promise<void> {
	const source = join(import.meta.dir, 'clients/openapi')
	const lock = await Bun.file(join(source, 'bun.lock')).text()
	await installOnce('openapi-tools', lock, async (directory) => {
		console.log('install: bun install test/clients/openapi')
		for (const name of ['package.json', 'bun.lock']) {
			await Bun.write(join(directory, name), Bun.file(join(source, name)))
		}
		const install = ['install', '--frozen-lockfile', '--no-summary', '--cwd', directory]
		return run([process.execPath, ...install])
	})
}

async function installJsonSchemaTests(): Promise<void> {
	await installOnce('json-schema-test-suite', JSON_SCHEMA_PACKAGE, async (directory) => {
		if (!isThere('python3')) return false
		console.log(`install: pip download ${JSON_SCHEMA_PACKAGE}`)
		const environment = join(directory, 'environment')
		const pip = join(environment, 'bin/pip')
		const source = ['--no-deps', '--no-binary', 'jsonschema', '--dest', directory]
		const archive = join(directory, `${JSON_SCHEMA_PACKAGE.replace('==', '-')}.tar.gz`)
		const unpack = ['--strip-components=2', '--wildcards', '*/json/tests']
		return (
			(existsSync(pip) || (await run(['python3', '-m', 'venv', environment]))) &&
			(await run([pip, 'download', '--quiet', ...source, JSON_SCHEMA_PACKAGE])) &&
			(await run(['tar', '-xzf', archive, '-C', directory, ...unpack]))
		)
	})
}

await installDebianPackages()
// Together, since most of their time goes into waiting for downloads.
await Promise.all([
	...Object.entries(PYTHON_ENVIRONMENTS).map(([name, packages]) =>
		installPythonPackages(name, packages),
	),
	installJsonSchemaTests(),
	installOpenApiTools(),
	installGoClient(),
	installJavaClient(),
])
