import { expect, test } from 'bun:test'
import { join } from 'node:path'
import { runAlpha } from '../helpers/run-alpha.ts'

const fixtures = join(import.meta.dir, '../fixtures')
const family = (name: string) => join(fixtures, 'families', name)

test('alpha check tells what each good path is', async () => {
	const paths = [family('gpt2'), family('nanogpt-char'), join(fixtures, 'v1-char')]
	const { status, output, errors } = await runAlpha(['check', ...paths])
	const lines = output.trimEnd().split('\n')
	expect([status, errors]).toEqual([0, ''])
	expect(lines[0]).toMatch(
		/gpt2: huggingface gpt2, \d+ parameters, context 96, byte-bpe tokenizer of 520 entries$/,
	)
	expect(lines[1]).toMatch(/nanogpt-char: nanogpt gpt2, .*char tokenizer of .*, step \d+$/)
	expect(lines[2]).toMatch(
		/checkpoint-300\.json: (json|binary) alpha, .* context 64, char tokenizer of 35 entries/,
	)
})

test('alpha check says why hostile and missing paths are refused, and checks the others', async () => {
	const paths = [family('hostile/pt-os-system'), family('hostile/st-nan'), '/nonexistent/run']
	const { status, output } = await runAlpha(['check', ...paths, family('gpt2')])
	const lines = output.trimEnd().split('\n')
	expect(status).toBe(1)
	expect(lines).toHaveLength(4)
	expect(lines[0]).toMatch(/pt-os-system: refused: .*posix system/)
	expect(lines[1]).toMatch(/st-nan: refused: .*expected finite numbers/)
	expect(lines[2]).toBe('/nonexistent/run: refused: no such file or directory')
	expect(lines[3]).toContain('huggingface gpt2')
})

test('alpha check tells a path that cannot be read from one that is refused by its status', async () => {
	expect((await runAlpha(['check', family('gpt2'), '/nonexistent/run'])).status).toBe(74)
	expect((await runAlpha(['check', '/nonexistent/run', family('hostile/st-nan')])).status).toBe(1)
})

test('alpha check asks for a path', async () => {
	const { status, errors } = await runAlpha(['check'])
	expect(status).toBe(64)
	expect(errors).toContain('alpha check PATH…')
})
