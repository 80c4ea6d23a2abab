/** `alpha export` as people call it. */
import { expect, test } from 'bun:test'
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { startAlpha } from '../helpers/alpha-server.ts'
import { runAlpha } from '../helpers/run-alpha.ts'
import { tempDir } from '../helpers/temp-dir.ts'

async function exporting(model: string, out: string, ...args: string[]) {
	using checkpoints = tempDir()
	const name = basename(model)
	const run = join(import.meta.dir, '../fixtures', model)
	cpSync(run, join(checkpoints.path, name), { recursive: true })
	return await runAlpha([
		'export',
		name,
		`--out=${out}`,
		`--checkpoints=${checkpoints.path}`,
		...args,
	])
}

test('a model that GPT-2 can say is exported so, and can be served as it lies there', async () => {
	using directory = tempDir()
	const out = join(directory.path, 'exported')
	const { status, output } = await exporting('v1-char', out)
	expect(output).toContain("- exact, in GPT-2's layout\n")
	expect(status).toBe(0)
	expect(readdirSync(out)).toContain('model.safetensors')
	expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('| training step | ')
	await using server = await startAlpha({ env: { CHECKPOINTS_DIR: directory.path } })
	const ask = async (url: string, model: string) => {
		const body = JSON.stringify({ model, prompt: 'A', max_tokens: 20, temperature: 0 })
		const headers = { 'content-type': 'application/json' }
		const response = await fetch(`${url}/v1/completions`, { method: 'POST', headers, body })
		return ((await response.json()) as { choices: { text: string }[] }).choices[0]?.text
	}
	await using original = await startAlpha({ runs: ['v1-char'] })
	expect(await ask(server.url, 'exported')).toBe(await ask(original.url, 'v1-char'))
})

test('a model with a cap of scores comes with its own modelling file, and with the reason', async () => {
	using directory = tempDir()
	const out = join(directory.path, 'exported')
	const { status, output } = await exporting('v2-hot-scores', out)
	expect(status).toBe(0)
	expect(output).toMatch(/exact, by a modelling file .*log-probabilities differ by up to/)
	expect(existsSync(join(out, 'modeling_alpha.py'))).toBe(true)
})

test('a layout that computes something else has to be accepted', async () => {
	using directory = tempDir()
	const out = join(directory.path, 'exported')
	const refused = await exporting('v2-hot-scores', out, '--layout=gpt2')
	expect(refused.status).toBe(64)
	expect(refused.errors).toContain('add --approximate to accept that')
	expect(existsSync(out)).toBe(false)
	expect((await exporting('v2-hot-scores', out, '--layout=gpt2', '--approximate')).status).toBe(0)
	const impossible = await exporting('v2-swiglu', `${out}-2`, '--layout=gpt2')
	expect(impossible.errors).toContain('GPT-2 has no activation "swiglu"')
})

test('nothing is written over', async () => {
	using directory = tempDir()
	const { status, errors } = await exporting('v1-char', directory.path)
	expect(status).toBe(1)
	expect(errors).toContain('does not exist yet')
	expect(readdirSync(directory.path)).toEqual([])
})

test('a GGUF file comes with what Ollama is told, and is served as it lies there', async () => {
	using directory = tempDir()
	const out = join(directory.path, 'exported')
	const { status, output } = await exporting('families/llama-v4-chat', out, '--format=gguf')
	expect(output).toContain('- the same network in llama.cpp\n')
	expect(output).toContain('FROM ./llama-v4-chat.gguf\n')
	expect(status).toBe(0)
	await using server = await startAlpha({ env: { CHECKPOINTS_DIR: out } })
	const card = await (await fetch(`${server.url}/api/models`)).text()
	expect(card).toContain('llama-v4-chat.gguf')
})

test('what llama.cpp does not compute is refused by name', async () => {
	using directory = tempDir()
	const out = join(directory.path, 'exported')
	const refused = await exporting('v2-swiglu', out, '--format=gguf')
	expect(refused.status).toBe(64)
	expect(refused.errors).toContain(`llama.cpp's gpt2 has no activation "swiglu"`)
	const capped = await exporting('v2-hot-scores', out, '--format=gguf')
	expect(capped.errors).toContain('has no cap of attention scores')
	expect(capped.errors).toContain('add --approximate to accept that')
	expect(existsSync(out)).toBe(false)
})
