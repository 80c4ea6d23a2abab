/** Texts of a word tokenizer: one blank separates the words, also the first one from a prompt. */
import { afterAll, describe, expect, test } from 'bun:test'
import { startAlpha } from '../helpers/alpha-server.ts'
import { parseSse } from '../helpers/read-sse.ts'

const server = await startAlpha({ runs: ['v1-word'], args: ['--no-embedded-model'] })
afterAll(() => server.stop())

interface Choice {
	readonly text: string
	readonly logprobs: {
		readonly tokens: readonly string[]
		readonly top_logprobs: readonly (Readonly<Record<string, number>> | null)[]
		readonly text_offset: readonly number[]
	}
}

async function post(path: string, body: object): Promise<Response> {
	const greedy = { temperature: 0, max_tokens: 3, ...body }
	return fetch(server.url + path, { method: 'POST', body: JSON.stringify(greedy) })
}

async function complete(body: object): Promise<Choice> {
	const answer = (await (await post('/v1/completions', body)).json()) as { choices: Choice[] }
	return answer.choices[0]!
}

describe('a completion', () => {
	test.each([
		['a word', 'Am F C', ' F Eb7 F'],
		['a blank', 'Am F C ', 'F Eb7 F'],
		['a tab', 'Am F C\t', 'F Eb7 F'],
		['nothing', '', 'G Ab7'],
		['token ids of words', [11, 64, 29], ' F Eb7 F'],
		['token ids that end a line', [11, 64, 29, 0], ''],
	])('behind %s', async (_, prompt, start) => {
		const { text } = await complete({ prompt })
		expect(text).toStartWith(start)
		expect(text).not.toMatch(/^ {2}| {2}/)
		if (start === '') expect(text).not.toMatch(/^ /)
	})

	test('that is echoed reads as one text', async () => {
		const prompt = 'Am F C'
		const plain = await complete({ prompt })
		const echoed = await complete({ prompt, echo: true })
		expect(echoed.text).toBe(prompt + plain.text)
		expect(echoed.text).toBe('Am F C F Eb7 F')
	})

	test.each([true, false])('has tokens that spell its text (echo: %p)', async (echo) => {
		const { text, logprobs } = await complete({
			prompt: 'Am F C\nG',
			echo,
			logprobs: 5,
			max_tokens: 20,
		})
		const { tokens, text_offset, top_logprobs } = logprobs
		expect(tokens.join('')).toBe(text)
		expect(tokens.map((_, i) => text.slice(text_offset[i], text_offset[i + 1]))).toEqual([
			...tokens,
		])
		for (const [i, token] of tokens.entries()) {
			if (top_logprobs[i] !== null) expect(top_logprobs[i]).toHaveProperty([token])
			for (const other of Object.keys(top_logprobs[i] ?? {})) {
				if (other !== '\n' && token !== '\n') expect(other[0] === ' ').toBe(token[0] === ' ')
			}
		}
	})

	test('says the same as a stream', async () => {
		const prompt = 'Am F C'
		const { text } = await complete({ prompt, max_tokens: 20 })
		const streamed = await post('/v1/completions', {
			prompt,
			max_tokens: 20,
			stream: true,
			logprobs: 1,
		})
		const chunks = parseSse(await streamed.text())
			.filter(({ data }) => data !== '[DONE]')
			.map(({ data }) => JSON.parse(data).choices[0] as Choice)
		expect(chunks.map((chunk) => chunk.text).join('')).toBe(text)
		for (const chunk of chunks) {
			if (chunk.logprobs !== null) expect(chunk.logprobs.tokens.join('')).toBe(chunk.text)
		}
	})

	test('of its own text goes on as if it had never stopped', async () => {
		const first = await complete({ prompt: 'Am F C', max_tokens: 5 })
		const second = await complete({ prompt: `Am F C${first.text}`, max_tokens: 5 })
		const all = await complete({ prompt: 'Am F C', max_tokens: 10 })
		expect(first.text + second.text).toBe(all.text)
	})
})

test('/api/inference streams the prompt and what follows as one text', async () => {
	const response = await fetch(`${server.url}/api/inference?query=Am%20F%20C&steps=3&temp=0`)
	const events = parseSse(await response.text()).map(({ data }) => data)
	expect(events).toEqual([
		'{"token":"Am F C"}',
		'{"token":" F"}',
		'{"token":" Eb7"}',
		'{"token":" F"}',
		'[DONE]',
	])
})

test('chats and /api/generate answer with texts of their own', async () => {
	const messages = [{ role: 'user', content: 'Am F C' }]
	const chat = await (await post('/v1/chat/completions', { messages, logprobs: true })).json()
	const [{ message, logprobs }] = (chat as { choices: [never] }).choices as unknown as [
		{ message: { content: string }; logprobs: { content: { token: string }[] } },
	]
	expect(message.content).toBe('F Eb7 F')
	expect(logprobs.content.map(({ token }) => token)).toEqual(['F', ' Eb7', ' F'])
	const generated = await (await post('/api/generate', { prompt: 'Am F C' })).json()
	expect(generated).toMatchObject({ text: 'F Eb7 F' })
})
