/** `bun run check`: format and lint (Biome), types (tsc), format of the C sources (clang-format). */
import { join } from 'node:path'

const root = join(import.meta.dir, '..')
const bin = join(root, 'node_modules/.bin')

/** Prints one line, and the tool's own words when it found something. */
async function check(name: string, command: readonly string[]): Promise<boolean> {
	const child = Bun.spawn([...command], { cwd: root, stdout: 'pipe', stderr: 'pipe' })
	const [status, ...texts] = await Promise.all([
		child.exited,
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
	])
	console.log(`${status === 0 ? '(pass)' : '(fail)'} ${name}`)
	if (status !== 0) console.log(texts.join(''))
	return status === 0
}

async function checkC(): Promise<boolean> {
	const sources = [...new Bun.Glob('{src,test}/kernels/**/*.{c,h}').scanSync(root)].sort()
	const tool = ['clang-format-14', 'clang-format'].find((name) => Bun.which(name) !== null)
	if (tool === undefined) {
		console.log('(skip) clang-format: not installed (Debian, Ubuntu: apt install clang-format-14)')
		return true
	}
	return check('clang-format', [
		tool,
		'--style=file:.ci/.clang-format',
		'--dry-run',
		'--Werror',
		...sources,
	])
}

const results = await Promise.all([
	check('biome', [join(bin, 'biome'), 'ci', '--colors=off', '--config-path=.ci/lint.json']),
	check('tsc', [join(bin, 'tsc'), '-p', '.', '--pretty', 'false']),
	checkC(),
])
process.exit(results.every((passed) => passed) ? 0 : 1)
