/** `alpha generate` and `POST /api/generate` are one loop: same model, settings and seed, same text. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test'
import { join } from 'node:path'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { fixtureRuns } from '../helpers/fixtures.ts'
import { runAlpha } from '../helpers/run-alpha.ts'

// A process of its own for each text takes its time on a busy machine.
setDefaultTimeout(60_000)

const fixtures = join(import.meta.dir, '../fixtures')
const seeds = [1, 2, 3]

let server: AlphaServer

beforeAll(async () => {
	server = await startAlpha({ runs: fixtureRuns() })
})

afterAll(() => server.stop())

/** A prompt in the model's own kind of text. */
function promptOf(model: string): string {
	if (model === 'v1-word') return 'Am F C G\nAm F'
	if (model === 'v2-bpe-chat') return '<|user|> Hello. <|assistant|>'
	return 'The '
}

async function viaHttp(model: string, prompt: string, seed: number) {
	const response = await fetch(`${server.url}/api/generate`, {
		method: 'POST',
		body: JSON.stringify({ model, prompt, seed, max_tokens: 200 }),
	})
	return (await response.json()) as { text: string; finish_reason: string }
}

async function viaCommand(model: string, prompt: string, seed: number) {
	const args = ['generate', model, prompt, '--seed', String(seed), '--checkpoints', fixtures]
	const { status, output, errors } = await runAlpha(args)
	expect([status, errors]).toEqual([0, ''])
	expect(output).toStartWith(prompt)
	return output.slice(prompt.length)
}

describe.each([...fixtureRuns(), 'novels-austen'])('%s', (model) => {
	test.each(seeds)('says the same on the command line with seed %i', async (seed) => {
		const prompt = promptOf(model)
		const { text } = await viaHttp(model, prompt, seed)
		// Behind the prompt, the first word of a word model needs a blank.
		const blank = model === 'v1-word' && /^\S/.test(text) ? ' ' : ''
		expect(await viaCommand(model, prompt, seed)).toBe(`${blank}${text}\n`)
	})
})

test('a chat model ends at its end token, in both', async () => {
	const prompt = '<|user|> Thank you. <|assistant|>'
	const { text, finish_reason } = await viaHttp('v2-bpe-chat', prompt, 1)
	expect(finish_reason).toBe('stop')
	const printed = await viaCommand('v2-bpe-chat', prompt, 1)
	expect(printed).toBe(`${text}\n`)
	expect(printed).not.toContain('<|end_of_text|>')
})
