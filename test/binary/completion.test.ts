/** Completions in the shells themselves. */
import { expect, test } from 'bun:test'
import { dirname, join } from 'node:path'
import { executablePath } from '../helpers/alpha-server.ts'
import { runAlpha } from '../helpers/run-alpha.ts'
import { hasTmux, openTerminal } from '../helpers/terminal.ts'

const fixtures = join(import.meta.dir, '../fixtures')
const env = {
	PATH: `${dirname(executablePath)}:${process.env['PATH']}`,
	CHECKPOINTS_DIR: fixtures,
}

/** What a shell prints for a script. */
async function run(command: readonly string[]): Promise<string[]> {
	const child = Bun.spawn([...command], { env, stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
	const output = await new Response(child.stdout).text()
	return output.split('\n').filter((line) => line !== '')
}

/** Lines as they are typed, the last word unfinished, and some of the words that may follow. */
const cases: [line: string, expected: string[]][] = [
	['alpha sc', ['score']],
	['alpha serve --kv', ['--kv-memory']],
	['alpha generate --dtype b', ['bf16']],
	['alpha serve --log-format ', ['auto', 'text', 'json']],
	['alpha show v1-', ['v1-char', 'v1-word']],
	['alpha completion f', ['fish']],
]

const hasBash = Bun.which('bash') !== null
test.skipIf(!hasBash).each(cases)(
	`bash${hasBash ? '' : ' (is missing)'} completes %p`,
	async (line, expected) => {
		const words = line.split(' ').map((word) => `'${word}'`)
		const script = [
			'source <(alpha completion bash)',
			`COMP_WORDS=(${words.join(' ')}) COMP_CWORD=${words.length - 1}`,
			'_alpha',
			`printf "%s\\n" "\${COMPREPLY[@]}"`,
		]
		expect(await run(['bash', '-c', script.join('\n')])).toEqual(expect.arrayContaining(expected))
	},
)

const hasFish = Bun.which('fish') !== null
test.skipIf(!hasFish).each(cases)(
	`fish${hasFish ? '' : ' (is missing)'} completes %p`,
	async (line, expected) => {
		const script = `alpha completion fish | source; complete -C '${line}'`
		const offered = (await run(['fish', '--no-config', '-c', script])).map(
			(each) => each.split('\t')[0],
		)
		expect(offered).toEqual(expect.arrayContaining(expected))
	},
)

const hasZsh = Bun.which('zsh') !== null && hasTmux
test.skipIf(!hasZsh)(
	`zsh${hasZsh ? '' : ' (or tmux is missing)'} completes commands, flags, words and models`,
	async () => {
		await using terminal = await openTerminal('zsh -f', env)
		await terminal.type(
			"PROMPT='%% '; autoload -U compinit; compinit -u; source <(alpha completion zsh); clear",
		)
		await terminal.press('Enter')
		await terminal.shows(/^\s*%\s*$/)
		await terminal.type('alpha sc')
		await terminal.press('Tab')
		await terminal.shows('alpha score')
		await terminal.press('C-u')
		await terminal.type('alpha serve --kv')
		await terminal.press('Tab')
		await terminal.shows('alpha serve --kv-memory')
		await terminal.press('C-u')
		await terminal.type('alpha generate --dtype b')
		await terminal.press('Tab')
		await terminal.shows('alpha generate --dtype bf16')
		await terminal.press('C-u')
		await terminal.type('alpha show v1-w')
		await terminal.press('Tab')
		await terminal.shows('alpha show v1-word')
	},
	60_000,
)

test('other shells are refused by name', async () => {
	const { status, errors } = await runAlpha(['completion', 'csh'])
	expect(status).toBe(64)
	expect(errors).toContain('expected bash, zsh, fish')
})
