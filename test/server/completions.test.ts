import { describe, expect, test } from 'bun:test'
import { Completion, CompletionChunk } from '../../src/openai/schemas/completions.ts'
import { violations } from '../helpers/conforms.ts'
import { fakeLogprob, fakeTokenizer, readPrompt, saying } from '../helpers/fake-catalog.ts'
import { readChunks } from '../helpers/read-sse.ts'
import { testApp } from '../helpers/test-app.ts'

const path = '/v1/completions'

interface Choice {
	readonly text: string
	readonly index: number
	readonly finish_reason: string | null
	readonly logprobs: {
		readonly tokens: string[]
		readonly token_logprobs: (number | null)[]
		readonly top_logprobs: (Record<string, number> | null)[]
		readonly text_offset: number[]
	} | null
}

async function complete(body: object, script = saying('hello world')) {
	const app = testApp({ script })
	const answer = await (await app.post(path, body)).json()
	expect(violations(Completion, answer)).toEqual([])
	return { app, answer, choices: answer.choices as Choice[] }
}

describe('prompts', () => {
	test('a text', async () => {
		const { app, answer } = await complete({ prompt: 'once' })
		expect(app.catalog.runs[0]!.request.promptTokenIds).toEqual(fakeTokenizer.encode('once'))
		expect(answer).toMatchObject({ object: 'text_completion', usage: { prompt_tokens: 4 } })
		expect(answer.id).toMatch(/^cmpl-/)
	})

	test('token ids', async () => {
		const { app } = await complete({ prompt: [5, 6, 7] })
		expect(app.catalog.runs[0]!.request.promptTokenIds).toEqual([5, 6, 7])
	})

	test('several, numbered prompt by prompt', async () => {
		const script = saying('a')
		const { choices, answer } = await complete({ prompt: ['x', 'yy'], n: 2 }, script)
		expect(choices.map(({ index }) => index)).toEqual([0, 1, 2, 3])
		expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 4 })
	})

	test('several lists of ids', async () => {
		const { app } = await complete({ prompt: [[1], [2, 3]] })
		expect(app.catalog.runs.map((run) => run.request.promptTokenIds)).toEqual([[1], [2, 3]])
	})

	test('an empty text', async () => {
		const { app, answer } = await complete({ prompt: '' })
		expect(app.catalog.runs[0]!.request.promptIsStartToken).toBe(true)
		expect(answer.usage.prompt_tokens).toBe(0)
	})
})

test.each([
	[-1, 2048],
	[null, 2048],
	[9999, 2048],
	[undefined, 16],
	[0, 0],
])('max_tokens %p makes at most %p tokens', async (max_tokens, expected) => {
	const { app } = await complete({ prompt: 'a', max_tokens })
	expect(app.catalog.runs[0]!.request.maxTokens).toBe(expected)
})

test('takes 64 choices, 64 stop texts of 1,024 characters outside of the BMP, and 64 stop tokens', async () => {
	const stop = Array.from({ length: 64 }, (_, i) => `${'🙂'.repeat(1022)}${i + 10}`)
	const ids = Array.from({ length: 64 }, (_, i) => i)
	const { app, choices } = await complete({ prompt: 'a', n: 64, stop, stop_token_ids: ids })
	expect(choices).toHaveLength(64)
	expect(app.catalog.runs[0]!.request.n).toBe(64)
})

test('defaults are those of this endpoint', async () => {
	const { app } = await complete({ prompt: 'a' })
	expect(app.catalog.runs[0]!.request).toMatchObject({
		maxTokens: 16,
		sampling: { temperature: 1, topK: 40 },
	})
})

describe('echo', () => {
	test('starts the text with the prompt', async () => {
		const { choices } = await complete({ prompt: 'so, ', echo: true })
		expect(choices[0]!.text).toBe('so, hello world')
	})

	test('decodes a prompt of ids', async () => {
		const { choices } = await complete({ prompt: fakeTokenizer.encode('so'), echo: true })
		expect(choices[0]!.text).toBe('sohello world')
	})

	test('scores the prompt; the first token has no probability', async () => {
		const { choices } = await complete({ prompt: 'so', echo: true, logprobs: 1, max_tokens: 0 })
		expect(choices[0]!.text).toBe('so')
		expect(choices[0]!.logprobs).toEqual({
			tokens: ['s', 'o'],
			token_logprobs: [null, -0.5],
			top_logprobs: [null, { o: -0.5, '\n': -0.5 }],
			text_offset: [0, 1],
		})
	})

	test('finds the tokens in a prompt with characters that the vocabulary lacks', async () => {
		const script = (run: Parameters<typeof readPrompt>[0]) => {
			const logprobs = [null, fakeLogprob(0), fakeLogprob(0)]
			run.push({ type: 'prompt', promptTokens: 3, cachedTokens: 0, logprobs })
			for (const choice of [0]) run.push({ type: 'finish', choice, finishReason: 'length' })
		}
		const body = { prompt: '日s本 oß', echo: true, logprobs: 0, max_tokens: 0 }
		const { choices } = await (await testApp({ script }).post('/v1/completions', body)).json()
		expect(choices[0].text).toBe('日s本 oß')
		expect(choices[0].logprobs.text_offset).toEqual([1, 3, 4])
	})

	test('puts offsets of the generated tokens behind the prompt', async () => {
		const { choices } = await complete({ prompt: 'so', echo: true, logprobs: 0, max_tokens: 2 })
		expect(choices[0]!.logprobs!.tokens).toEqual(['s', 'o', 'h', 'e'])
		expect(choices[0]!.logprobs!.text_offset).toEqual([0, 1, 2, 3])
	})

	test.each([true, false])(
		'is refused where it could not be made in one piece, streamed: %p',
		async (stream) => {
			const prompt = Array.from({ length: 100_000 }, () => 1)
			const body = { prompt, echo: true, logprobs: 5, n: 16, max_tokens: 1, stream }
			const response = await testApp().post(path, body)
			expect(response.status).toBe(400)
			expect(await response.json()).toMatchObject({ error: { code: 'answer_too_large' } })
		},
	)

	test('has no probabilities for what the model did not read', async () => {
		const prompt = 'a'.repeat(70)
		const script = (run: Parameters<typeof readPrompt>[0]) => {
			const logprobs = Array.from({ length: 63 }, (_, i) => (i === 0 ? null : fakeLogprob(0)))
			run.push({ type: 'prompt', promptTokens: 63, cachedTokens: 0, logprobs })
			run.say(0, 'x')
		}
		const { choices } = await complete({ prompt, echo: true, logprobs: 0 }, script)
		const { token_logprobs } = choices[0]!.logprobs!
		expect(token_logprobs.slice(0, 9)).toEqual([...Array(8).fill(null), -0.5])
		expect(token_logprobs).toHaveLength(71)
	})
})

test('best_of returns the likeliest choices and counts all', async () => {
	const { answer, choices, app } = await complete({ prompt: 'a', best_of: 3, n: 1 }, (run) => {
		readPrompt(run)
		for (const [choice, logprob] of [-3, -1, -2].entries()) {
			const tokenId = fakeTokenizer.encode('xyz')[choice]!
			run.push({ type: 'token', choice, tokenId, logprob: { logprob, rank: 1, top: [] } })
			run.push({ type: 'finish', choice, finishReason: 'stop' })
		}
	})
	expect(app.catalog.runs[0]!.request).toMatchObject({ n: 3, logprobs: 0 })
	expect(choices).toMatchObject([{ index: 0, text: 'y', logprobs: null }])
	expect(answer.usage.completion_tokens).toBe(3)
})

describe('the stop token of a text', () => {
	const end = fakeTokenizer.encode('.')[0]!
	const ending = (run: Parameters<typeof readPrompt>[0]) => {
		readPrompt(run)
		run.push({ type: 'token', choice: 0, tokenId: 3, ...scored(run, 3) })
		const stopToken = { tokenId: end, logprob: run.request.logprobs === null ? null : score(end) }
		run.push({ type: 'finish', choice: 0, finishReason: 'stop', stopToken })
	}
	const score = (tokenId: number) =>
		({
			logprob: -1,
			rank: 2,
			top: [
				[7, -0.5],
				[tokenId, -1],
			],
		}) as const
	const scored = (run: Parameters<typeof readPrompt>[0], tokenId: number) =>
		run.request.logprobs === null ? {} : { logprob: score(tokenId) }
	const text = fakeTokenizer.tokenText(3)

	test('is in all arrays and counted where log-probabilities are asked for, not in the text', async () => {
		const { choices, answer } = await complete({ prompt: 'so', logprobs: 2 }, ending)
		expect(choices[0]!.text).toBe(text)
		expect(choices[0]!.logprobs).toEqual({
			tokens: [text, '.'],
			token_logprobs: [-1, -1],
			top_logprobs: [
				{ [fakeTokenizer.tokenText(7)]: -0.5, [text]: -1 },
				{ [fakeTokenizer.tokenText(7)]: -0.5, '.': -1 },
			],
			text_offset: [0, 1],
		})
		expect(answer.usage.completion_tokens).toBe(2)
	})

	test('follows an echoed prompt, so that one more entry than prompt tokens comes with max_tokens 1', async () => {
		const { choices } = await complete(
			{ prompt: 'so', echo: true, logprobs: 0, max_tokens: 1 },
			(run) => {
				readPrompt(run)
				run.push({
					type: 'finish',
					choice: 0,
					finishReason: 'stop',
					stopToken: { tokenId: end, logprob: score(end) },
				})
			},
		)
		expect(choices[0]!.text).toBe('so')
		expect(choices[0]!.logprobs!.tokens).toEqual(['s', 'o', '.'])
		expect(choices[0]!.logprobs!.token_logprobs).toEqual([null, -0.5, -1])
		expect(choices[0]!.logprobs!.text_offset).toEqual([0, 1, 2])
	})

	test('comes with the last chunk of a stream', async () => {
		const app = testApp({ script: ending })
		const body = { prompt: 'so', logprobs: 1, stream: true }
		const chunks = await readChunks<{ choices: Choice[]; usage?: { completion_tokens: number } }>(
			await app.post(path, body),
		)
		expect(chunks.at(-1)!.choices[0]).toMatchObject({
			text: '',
			logprobs: { tokens: ['.'], text_offset: [1] },
		})
		expect(chunks.at(-1)!.usage!.completion_tokens).toBe(2)
	})

	test('is not counted where nobody asks for the tokens', async () => {
		const { answer } = await complete({ prompt: 'so' }, ending)
		expect(answer.usage.completion_tokens).toBe(1)
	})
})

describe('log-probabilities', () => {
	const digits = (run: Parameters<typeof readPrompt>[0]) => {
		readPrompt(run)
		const [zero, one, two] = fakeTokenizer.encode('012') as [number, number, number]
		const top = [
			[two, -0.5],
			[zero, -1],
			[one, -2],
		] as const
		const [x] = fakeTokenizer.encode('x') as [number]
		run.push({ type: 'token', choice: 0, tokenId: zero, logprob: { logprob: -1, rank: 2, top } })
		run.push({ type: 'token', choice: 0, tokenId: x, logprob: { logprob: -7, rank: 9, top } })
		run.push({ type: 'finish', choice: 0, finishReason: 'length' })
	}

	test.each([false, true])(
		'of tokens that look like integers keep the best first, and the chosen one at its rank (stream %p)',
		async (stream) => {
			const body = { prompt: 'a', logprobs: 3, stream }
			const text = await (await testApp({ script: digits }).post(path, body)).text()
			expect(text).toContain('{"2":-0.5,"0":-1,"1":-2}')
			expect(text).toContain('{"2":-0.5,"0":-1,"1":-2,"x":-7}')
		},
	)

	test.each([false, true])('have offsets in code points (stream %p)', async (stream) => {
		const body = { prompt: '😀😀', echo: true, logprobs: 0, stream }
		const response = await testApp({ script: saying('a😀b') }).post(path, body)
		const answers = stream
			? await readChunks<{ choices: Choice[] }>(response)
			: [await response.json()]
		const offsets = answers.flatMap(({ choices }) => choices[0].logprobs?.text_offset ?? [])
		expect(offsets).toEqual([0, 1, 2, 3, 4])
	})

	test('of the prompt come in a list of their own, with ranks, by token id', async () => {
		const body = { prompt: 'so', prompt_logprobs: 1, logprobs: 0, max_tokens: 1, n: 2 }
		const { choices, app } = await complete(body)
		expect(app.catalog.runs[0]!.request).toMatchObject({ promptLogprobs: 1, logprobs: 0 })
		const [o] = fakeTokenizer.encode('o') as [number]
		const scores = [
			null,
			{
				'0': { logprob: -0.5, rank: 1, decoded_token: '\n' },
				[o]: { logprob: -0.5, rank: 1, decoded_token: 'o' },
			},
		]
		expect(choices).toMatchObject([{ prompt_logprobs: scores }, { prompt_logprobs: scores }])
	})
})

describe('a stream', () => {
	async function stream(body: object, script = saying('hi')) {
		const response = await testApp({ script }).post(path, { stream: true, ...body })
		const chunks = await readChunks<{ choices: Choice[]; usage?: object }>(response)
		for (const chunk of chunks) expect(violations(CompletionChunk, chunk)).toEqual([])
		return chunks
	}

	test('has a text in every chunk and usage in the last', async () => {
		const chunks = await stream({ prompt: 'a' })
		expect(chunks.map((chunk) => chunk.choices[0]!.text)).toEqual(['h', 'i', ''])
		expect(chunks.map((chunk) => chunk.choices[0]!.finish_reason)).toEqual([null, null, 'stop'])
		expect(chunks.map((chunk) => chunk.usage !== undefined)).toEqual([false, false, true])
	})

	test('echoes each prompt to each of its choices', async () => {
		const chunks = await stream({ prompt: ['a', 'b'], n: 2, echo: true, logprobs: 0 })
		const texts = ['', '', '', '']
		for (const { choices } of chunks) texts[choices[0]!.index] += choices[0]!.text
		expect(texts).toEqual(['ahi', 'ahi', 'bhi', 'bhi'])
		const offsets = chunks.flatMap(({ choices }) =>
			choices[0]!.index === 3 ? (choices[0]!.logprobs?.text_offset ?? []) : [],
		)
		expect(offsets).toEqual([0, 1, 2])
	})
})
