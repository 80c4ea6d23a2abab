/** The `openai` package against the compiled server: text completions and embeddings. */
import { afterAll, describe, expect, test } from 'bun:test'
import OpenAI from 'openai'
import { startAlpha } from '../helpers/alpha-server.ts'

const server = await startAlpha({ runs: ['v2-bpe-chat', 'v1-bpe', 'v1-word'] })
afterAll(() => server.stop())

const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any-key', maxRetries: 0 })

const prompt = '<|user|> What is your name? <|assistant|>'
const greedy = { model: 'v2-bpe-chat', prompt, temperature: 0 }

async function tokenIds(text: string): Promise<number[]> {
	const { tokens } = await client.post<{ tokens: number[] }>(`${server.url}/tokenize`, {
		body: { model: 'v2-bpe-chat', prompt: text },
	})
	return tokens
}

describe('openai: completions', () => {
	test('continues a text, 16 tokens unless asked for more', async () => {
		const completion = await client.completions.create({ model: 'v1-bpe', prompt: 'Blessed' })
		expect(completion.id).toMatch(/^cmpl-/)
		expect(completion.object).toBe('text_completion')
		expect(completion.usage?.completion_tokens).toBe(16)
		expect(completion.choices[0]?.finish_reason).toBe('length')
	})

	test('reads reserved tokens in the prompt and ends at the end token', async () => {
		const completion = await client.completions.create(greedy)
		expect(completion.choices[0]?.text).toBe(' My name is Alpha.')
		expect(completion.choices[0]?.finish_reason).toBe('stop')
		expect(completion.usage?.prompt_tokens).toBe(8)
	})

	test('numbers the choices of several prompts through', async () => {
		const prompts = [prompt, 'Blessed is the man']
		const body = { ...greedy, n: 2, max_tokens: 6 }
		const completion = await client.completions.create({ ...body, prompt: prompts })
		expect(completion.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3])
		const second = await client.completions.create({ ...body, prompt: prompts[1]!, n: 1 })
		expect(completion.choices[3]?.text).toBe(second.choices[0]?.text ?? '')
		expect(completion.usage?.completion_tokens).toBe(24)
	})

	test('gives each of several prompts what it gets alone, however often they come together', async () => {
		const prompts = [prompt, 'Blessed is the man', 'a', 'The old mill']
		const body = { ...greedy, max_tokens: 24 }
		const alone = []
		for (const each of prompts) {
			const { choices } = await client.completions.create({ ...body, prompt: each })
			alone.push(choices[0]?.text ?? '')
		}
		for (let i = 0; i < 300; i++) {
			const { choices } = await client.completions.create({ ...body, prompt: prompts })
			expect(choices.map(({ text }) => text)).toEqual(alone)
		}
	})

	test('gives equal prompts different texts, unless the request names a seed', async () => {
		const body = { model: 'v1-bpe', prompt: ['Blessed', 'Blessed'], max_tokens: 40 }
		const drawn = await client.completions.create({ ...body, temperature: 1 })
		expect(new Set(drawn.choices.map(({ text }) => text)).size).toBe(2)
		const seeded = await client.completions.create({ ...body, temperature: 1, seed: 5 })
		expect(new Set(seeded.choices.map(({ text }) => text)).size).toBe(1)
	})

	test('reads token ids, alone and in lists, as the text they stand for', async () => {
		const ids = await tokenIds(prompt)
		expect(ids).toHaveLength(8)
		const { choices } = await client.completions.create({ ...greedy, prompt: ids })
		expect(choices[0]?.text).toBe(' My name is Alpha.')
		const lists = await client.completions.create({ ...greedy, prompt: [ids, ids] })
		expect(lists.choices.map(({ text }) => text)).toEqual(Array(2).fill(' My name is Alpha.'))
	})

	test('scores a prompt with echo, logprobs and max_tokens 0', async () => {
		const body = { ...greedy, echo: true, logprobs: 2, max_tokens: 0 }
		const { choices, usage } = await client.completions.create(body)
		const { text, logprobs } = choices[0]!
		expect(text).toBe(prompt)
		expect(usage?.completion_tokens).toBe(0)
		expect(logprobs?.tokens?.join('')).toBe(prompt)
		expect(logprobs?.token_logprobs).toHaveLength(8)
		// Nothing stands before the first token that could predict it.
		expect(logprobs?.token_logprobs?.[0]).toBeNull()
		for (const logprob of logprobs?.token_logprobs?.slice(1) ?? []) expect(logprob).toBeLessThan(0)
		const offsets = logprobs?.text_offset ?? []
		expect(offsets.map((offset, i) => prompt.slice(offset, offsets[i + 1]))).toEqual(
			logprobs?.tokens ?? [],
		)
	})

	test('finds known words of a prompt between unknown ones', async () => {
		const { choices } = await client.completions.create({
			model: 'v1-word',
			prompt: 'CG C  GC G',
			echo: true,
			logprobs: 0,
			max_tokens: 0,
		})
		expect(choices[0]?.logprobs?.tokens).toEqual(['C', ' G'])
		expect(choices[0]?.logprobs?.text_offset).toEqual([3, 8])
	})

	test('scores as many tokens as the context holds', async () => {
		const ids = Array.from({ length: 64 }, (_, i) => i + 3)
		const completion = await client.completions.create({
			model: 'v1-bpe',
			prompt: ids,
			echo: true,
			logprobs: 0,
			max_tokens: 0,
		})
		expect(completion.usage?.prompt_tokens).toBe(64)
		const scores = completion.choices[0]?.logprobs?.token_logprobs ?? []
		expect(scores.filter((score) => score === null)).toHaveLength(1)
	})

	test('streams the text of the answer in one piece', async () => {
		const body = { model: 'v1-bpe', prompt: 'Blessed', seed: 5, max_tokens: 40 }
		const whole = await client.completions.create(body)
		let text = ''
		let last: OpenAI.Completion | undefined
		for await (const chunk of await client.completions.create({ ...body, stream: true })) {
			expect(typeof chunk.choices[0]?.text).toBe('string')
			text += chunk.choices[0]?.text
			last = chunk
		}
		expect(text).toBe(whole.choices[0]?.text ?? '')
		expect(last?.choices[0]?.finish_reason).toBe('length')
		expect(last?.usage?.completion_tokens).toBe(40)
	})

	test('gives the best of several attempts', async () => {
		const body = { model: 'v1-bpe', prompt: 'Blessed', seed: 5, max_tokens: 12, logprobs: 0 }
		const all = await client.completions.create({ ...body, n: 4 })
		const best = await client.completions.create({ ...body, best_of: 4 })
		const mean = ({ logprobs }: OpenAI.CompletionChoice) => {
			const values = logprobs?.token_logprobs ?? []
			return values.reduce((sum, value) => sum + value, 0) / values.length
		}
		const means = all.choices.map(mean)
		expect(best.choices).toHaveLength(1)
		expect(mean(best.choices[0]!)).toBeCloseTo(Math.max(...means), 10)
		expect(best.usage?.completion_tokens).toBe(48)
	})

	test('refuses a suffix', async () => {
		const request = client.completions.create({ ...greedy, suffix: ' the end' })
		expect(await request.catch((error) => error)).toMatchObject({ status: 400, param: 'suffix' })
	})
})

describe('openai: embeddings', () => {
	const input = ['What is your name?', 'Does Finn like cheese?']

	test('come as base64 unless asked otherwise, and are the same numbers', async () => {
		const packed = await client.embeddings.create({ model: 'v2-bpe-chat', input })
		const plain = await client.embeddings.create({
			model: 'v2-bpe-chat',
			input,
			encoding_format: 'float',
		})
		expect(packed.data.map(({ index }) => index)).toEqual([0, 1])
		expect(packed.data[0]?.embedding).toHaveLength(40)
		for (const [i, { embedding }] of plain.data.entries()) {
			const fromBase64 = packed.data[i]?.embedding ?? []
			expect(Float32Array.from(embedding)).toEqual(Float32Array.from(fromBase64))
		}
		expect(packed.usage.prompt_tokens).toBe(packed.usage.total_tokens)
	})

	test('have length 1 and depend on the text only', async () => {
		const { data } = await client.embeddings.create({
			model: 'v2-bpe-chat',
			input: [...input, input[0]!],
		})
		for (const { embedding } of data) {
			expect(Math.hypot(...embedding)).toBeCloseTo(1, 5)
		}
		expect(data[2]?.embedding).toEqual(data[0]?.embedding ?? [])
		expect(data[1]?.embedding).not.toEqual(data[0]?.embedding ?? [])
	})

	test('take token ids', async () => {
		const ids = await tokenIds(input[0]!)
		const { data } = await client.embeddings.create({ model: 'v2-bpe-chat', input: ids })
		const text = await client.embeddings.create({ model: 'v2-bpe-chat', input: input[0]! })
		expect(data[0]?.embedding).toEqual(text.data[0]?.embedding ?? [])
	})

	test('have no other width than the model', async () => {
		const body = { model: 'v2-bpe-chat', input: input[0]!, dimensions: 8 }
		const error = await client.embeddings.create(body).catch((cause) => cause)
		expect(error).toMatchObject({ status: 400, param: 'dimensions' })
	})
})
