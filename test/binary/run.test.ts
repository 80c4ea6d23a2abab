/** `alpha run` at a real terminal, and as a part of a pipe. */
import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'
import { executablePath } from '../helpers/alpha-server.ts'
import { runAlpha } from '../helpers/run-alpha.ts'
import { hasTmux, openTerminal } from '../helpers/terminal.ts'

const fixtures = join(import.meta.dir, '../fixtures')

/** `alpha run` with these arguments, its exit status behind it. */
function talk(args: string) {
	const command = `'${executablePath}' run ${args} --checkpoints '${fixtures}'; echo "status $?"; sleep 600`
	return openTerminal(command)
}

describe.skipIf(!hasTmux)(`alpha run at a terminal${hasTmux ? '' : ' (needs tmux)'}`, () => {
	test('goes on with what is written, and on an empty line with its own text', async () => {
		await using terminal = await talk('novels-austen --max-tokens 8 --temperature 0')
		await terminal.shows('it goes on with what you write')
		await terminal.type('Emma Woodhouse, handsome, clever,')
		await terminal.press('Enter')
		await terminal.shows(/clever,\n.*\w[\s\S]*>>> $|clever,\n.*\w[\s\S]*>>>\s*$/)
		const before = await terminal.screen()
		await terminal.press('Enter')
		await terminal.shows(/>>> *\n[^>]*\w[\s\S]*>>>\s*$/)
		expect((await terminal.screen()).length).toBeGreaterThan(before.length)
		await terminal.press('C-d')
		await terminal.shows('status 0')
	}, 60_000)

	test('brings earlier lines back with the arrow keys', async () => {
		await using terminal = await talk('v1-char --max-tokens 4')
		await terminal.shows('>>>')
		await terminal.type('/set temperature 0.25')
		await terminal.press('Enter')
		await terminal.type('/set')
		await terminal.press('Enter')
		await terminal.shows(/temperature +0\.25/)
		await terminal.press('Up', 'Up')
		await terminal.shows(/>>> \/set temperature 0\.25\s*$/)
	}, 60_000)

	test('sets, helps and complains in words', async () => {
		await using terminal = await talk('v1-char')
		await terminal.shows('>>>')
		await terminal.type('/help')
		await terminal.press('Enter')
		await terminal.shows('/set NAME VALUE')
		await terminal.type('/set temprature 1')
		await terminal.press('Enter')
		await terminal.shows('unknown setting temprature (did you mean temperature?)')
		await terminal.type('/set temperature hot')
		await terminal.press('Enter')
		await terminal.shows('temperature: expected a number from 0')
		await terminal.type('/hlep')
		await terminal.press('Enter')
		await terminal.shows('unknown command /hlep (did you mean /help?)')
		await terminal.type('/bye')
		await terminal.press('Enter')
		await terminal.shows('status 0')
	}, 60_000)

	test('talks with a model that has a chat template, and takes texts of several lines', async () => {
		await using terminal = await talk('v2-bpe-chat --max-tokens 8 --seed 1')
		await terminal.shows('>>>')
		expect(await terminal.screen()).not.toContain('not trained on conversations')
		await terminal.type('Hello.')
		await terminal.press('Enter')
		await terminal.shows(/>>> Hello\.\n[\s\S]*>>>\s*$/)
		await terminal.type('"""One')
		await terminal.press('Enter')
		await terminal.shows(/\.\.\.\s*$/)
		await terminal.type('two"""')
		await terminal.press('Enter')
		await terminal.shows(/\.\.\. two"""\n[\s\S]*>>>\s*$/)
	}, 60_000)

	test('stops an answer at Ctrl-C, empties a line, and ends at the next', async () => {
		await using terminal = await talk('novels-austen --max-tokens 2048')
		await terminal.shows('>>>')
		await terminal.type('The knight')
		await terminal.press('Enter')
		await terminal.shows(/The knight\n[\s\S]*\w+ \w+/)
		await terminal.press('C-c')
		await terminal.shows(/>>>\s*$/)
		await terminal.type('half a line')
		await terminal.shows('half a line')
		await terminal.press('C-c')
		await terminal.shows(/>>>\s*$/)
		await terminal.press('C-c')
		await terminal.shows('status 130')
	}, 60_000)
})

describe('alpha run in a pipe', () => {
	const args = [
		'run',
		'novels-austen',
		'--max-tokens',
		'8',
		'--seed',
		'3',
		'--checkpoints',
		fixtures,
	]

	test('answers once, the same for words and for what is piped in', async () => {
		const asked = await runAlpha([...args, 'The knight'])
		const piped = await runAlpha(args, {}, 'The knight\n')
		expect([asked.status, asked.errors]).toEqual([0, ''])
		expect(asked.output.trim()).not.toBe('')
		expect(piped).toEqual(asked)
	})

	test('asks for a prompt where there is none', async () => {
		const { status, errors } = await runAlpha(args, {}, '')
		expect(status).toBe(64)
		expect(errors).toContain('expected a prompt on standard input')
	})
})
