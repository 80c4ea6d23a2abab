import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import OpenAI from 'openai'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { families, familyAnswers, familyDirectories } from '../helpers/families.ts'

/** Gap of the two best logits below which two correct implementations may disagree. */
const NEAR_TIE = 1e-3

/** Without the characters of its vocabulary. */
const UNNAMED = 'nanogpt-nometa-char'
const names = familyDirectories().filter((name) => name !== UNNAMED)

let server: AlphaServer
let client: OpenAI

beforeAll(async () => {
	server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
	client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 })
	for (const name of [...names, UNNAMED]) copy(name, name)
	const trainer = join(server.checkpoints, 'trainer')
	mkdirSync(trainer)
	copy('gpt2', 'trainer/checkpoint-50')
	copy('gpt2-fp16', 'trainer/checkpoint-100')
	const state = join(import.meta.dir, '../fixtures/trainer-state/step-8.json')
	cpSync(state, join(trainer, 'checkpoint-100/trainer_state.json'))
	copy('hostile/pt-os-system', 'evil')
	await eventually(async () => (await listed()).length === names.length + 1, 20_000)
}, 30_000)

afterAll(() => server.stop())

function copy(fixture: string, name: string): void {
	cpSync(join(families, fixture), join(server.checkpoints, name), { recursive: true })
}

async function listed(): Promise<string[]> {
	const { data } = await client.models.list()
	return data.map(({ id }) => id)
}

interface ChatAnswer {
	readonly messages: readonly { readonly role: string; readonly content: string }[]
	readonly add_generation_prompt: boolean
	readonly prompt_ids?: readonly number[]
}

function chatsOf(name: string): readonly ChatAnswer[] {
	return (familyAnswers(name) as { chat?: readonly ChatAnswer[] }).chat ?? []
}

/** Greedy continuation of token ids, whole or streamed. */
async function complete(model: string, prompt: readonly number[], tokens: number, stream = false) {
	const body = { model, prompt: [...prompt], max_tokens: tokens, temperature: 0 }
	if (!stream) return (await client.completions.create(body)).choices[0]!.text
	let text = ''
	for await (const chunk of await client.completions.create({ ...body, stream: true })) {
		text += chunk.choices[0]?.text ?? ''
	}
	return text
}

const FORMATS = /^(huggingface|nanogpt|nanochat|gguf|llama2c|state-dict)$/

async function post<T>(route: string, body: object): Promise<T> {
	const response = await fetch(server.url + route, { method: 'POST', body: JSON.stringify(body) })
	return (await response.json()) as T
}

describe.each(names)('a directory of another trainer, %s', (name) => {
	const greedy = familyAnswers(name).greedy.filter(({ min_top_gap: gap }) => gap > NEAR_TIE)

	test('is served as it lies there, with the text of its own tools, whole and streamed', async () => {
		expect(greedy.length).toBeGreaterThan(0)
		for (const { prompt_ids: prompt, ids, eos_at: end, text_incremental: text } of greedy) {
			// The window rolls where the original code stops.
			if (prompt.length + ids.length > familyAnswers(name).context) continue
			const whole = await complete(name, prompt, ids.length)
			if (end === null) expect(whole).toBe(text)
			else expect(text.startsWith(whole)).toBeTrue()
			expect(await complete(name, prompt, ids.length, true)).toBe(whole)
		}
	})

	test('encodes texts, and decodes what it encodes', async () => {
		const text = 'The light of the Sun'
		const { count, tokens } = await post<{ count: number; tokens: number[] }>('/tokenize', {
			model: name,
			prompt: text,
			add_special_tokens: false,
		})
		expect(count).toBeGreaterThan(3)
		const { prompt } = await post<{ prompt: string }>('/detokenize', { model: name, tokens })
		expect(prompt.trimStart()).toBe(text)
	})

	test('scores a prompt as it would draw it', async () => {
		const { prompt_ids: prompt, ids } = greedy[0]!
		const text = [...prompt, ...ids].slice(0, familyAnswers(name).context)
		const { choices } = await client.completions.create({
			model: name,
			prompt: text,
			max_tokens: 0,
			echo: true,
			logprobs: 1,
		})
		const { token_logprobs: scores, top_logprobs: best } = choices[0]!.logprobs!
		expect(scores).toHaveLength(text.length)
		expect(scores![0]).toBeNull()
		for (let i = prompt.length; i < text.length; i++) {
			expect(scores![i]!).toBeCloseTo(Math.max(...Object.values(best![i]!)), 5)
		}
	})

	test('embeds texts', async () => {
		const { data } = await client.embeddings.create({
			model: name,
			input: ['The light', 'of the Sun'],
			encoding_format: 'float',
		})
		const [first, second] = data.map(({ embedding }) => embedding)
		expect(first!.length).toBeGreaterThan(0)
		expect(first!.every(Number.isFinite)).toBeTrue()
		expect(first).not.toEqual(second)
	})

	test('is listed with its format, family and size', async () => {
		const card = await (await fetch(`${server.url}/api/models/${name}`)).json()
		expect(card).toMatchObject({
			id: name,
			format: expect.stringMatching(FORMATS),
			family: expect.stringMatching(/^(gpt2|llama|neo|neox|nanochat)$/),
			parameterCount: expect.any(Number),
			contextLength: familyAnswers(name).context,
		})
	})
})

const chatNames = names.filter((name) => name.startsWith('llama') || name.startsWith('qwen'))

describe.each(chatNames.filter((name) => chatsOf(name).length > 0))('a chat with %s', (name) => {
	test('reads the prompt that the original library makes', async () => {
		for (const { messages, add_generation_prompt: adds, prompt_ids: ids } of chatsOf(name)) {
			// Contents that would forge a turn are read as text here.
			if (ids === undefined || messages.some(({ content }) => content.includes('<|'))) continue
			const response = await fetch(`${server.url}/tokenize`, {
				method: 'POST',
				body: JSON.stringify({ model: name, messages, add_generation_prompt: adds }),
			})
			const { tokens } = (await response.json()) as { tokens: number[] }
			expect(tokens).toEqual([...ids])
		}
	})

	test('is answered, whole and streamed', async () => {
		const body = {
			model: name,
			messages: [{ role: 'user' as const, content: 'What is light?' }],
			max_tokens: 8,
			temperature: 0,
		}
		const whole = await client.chat.completions.create(body)
		let text = ''
		for await (const chunk of await client.chat.completions.create({ ...body, stream: true })) {
			text += chunk.choices[0]?.delta.content ?? ''
		}
		expect(text).toBe(whole.choices[0]!.message.content!)
	})
})

/** Message of the error that a chat is answered with. */
async function refusalOf(
	model: string,
	messages: OpenAI.ChatCompletionMessageParam[],
): Promise<string> {
	const answer = await client.chat.completions.create({ model, messages }).catch((error) => error)
	expect(answer).toBeInstanceOf(OpenAI.BadRequestError)
	return answer.message
}

test('a chat that the template of a model refuses is 400 with its message', async () => {
	const messages = [{ role: 'system' as const, content: 'Be brief.' }]
	expect(await refusalOf('mistral-swa', messages)).toContain('Conversation roles must alternate')
})

test.each(['tpl-bomb', 'tpl-escape', 'tpl-recursive', 'tpl-syntax', 'tpl-unknown-filter'])(
	'a model with the template %s is served, and its chats are refused in bounded time',
	async (name) => {
		copy(`hostile/${name}`, name)
		await eventually(async () => (await listed()).includes(name))
		expect(await complete(name, [1, 2], 2)).toBeString()
		const messages = [{ role: 'user' as const, content: 'Hi.' }]
		expect(await refusalOf(name, messages)).toContain('chat template failed')
		rmSync(join(server.checkpoints, name), { recursive: true })
	},
)

test('a tokenizer.model is read where there is no tokenizer.json', async () => {
	copy('llama-spm', 'only-model')
	rmSync(join(server.checkpoints, 'only-model/tokenizer.json'))
	await eventually(async () => (await listed()).includes('only-model'))
	const prompt = { prompt: 'The light of the Sun' }
	const ids = async (model: string) => {
		const response = await fetch(`${server.url}/tokenize`, {
			method: 'POST',
			body: JSON.stringify({ model, ...prompt }),
		})
		return ((await response.json()) as { tokens: number[] }).tokens
	}
	expect(await ids('only-model')).toEqual(await ids('llama-spm'))
})

test("steps of Hugging Face's Trainer are addressed as name@step, the highest is served", async () => {
	const prompt = familyAnswers('gpt2').greedy[0]!.prompt_ids
	const last = await complete('trainer', prompt, 8)
	expect(last).toBe(await complete('trainer@100', prompt, 8))
	expect(last).toBe(await complete('gpt2-fp16', prompt, 8))
	expect(await complete('trainer@50', prompt, 8)).toBe(await complete('gpt2', prompt, 8))
})

test('what its Trainer logged is told with the model and with the training', async () => {
	const get = async (path: string) => (await fetch(server.url + path)).json()
	const models = (await get('/api/models')) as { id: string; lastLoss: number | null }[]
	expect(models.find(({ id }) => id === 'trainer')?.lastLoss).toBe(3.35577392578125)
	expect(await get('/api/runs/trainer')).toMatchObject({ latest_step: 100, total_iters: 16 })
	const metrics = (await get('/api/runs/trainer/metrics')) as { step: number; val_loss: number }[]
	expect(metrics.at(-1)).toMatchObject({ step: 8, val_loss: 3.35577392578125, lr: 0.005625 })
})

test('what nanoGPT saved of its training is told: the step, and its best loss on validation data', async () => {
	const listed = (await (await fetch(`${server.url}/api/models`)).json()) as { id: string }[]
	const told = { step: 110, lastLoss: 2.500607490539551 }
	expect(listed.find(({ id }) => id === 'nanogpt-char')).toMatchObject(told)
	expect(await (await fetch(`${server.url}/api/models/nanogpt-char`)).json()).toMatchObject(told)
})

test('a model that cannot be served is listed with its reason, and runs nothing', async () => {
	const response = await fetch(`${server.url}/api/models`)
	const models = (await response.json()) as { id: string; state?: string; reason?: string }[]
	const reasonOf = (id: string) => models.find((model) => model.id === id)?.reason
	expect(reasonOf('evil')).toContain('posix system')
	expect(reasonOf(UNNAMED)).toContain('meta.pkl')
})

test('new files that are moved into place take over, together', async () => {
	copy('gpt2', 'swapped')
	await eventually(async () => (await listed()).includes('swapped'))
	const prompt = familyAnswers('gpt2').greedy[0]!.prompt_ids
	const path = join(server.checkpoints, 'swapped')
	for (const file of ['config.json', 'tokenizer.json', 'model.safetensors']) {
		cpSync(join(families, 'gpt2-fp16', file), join(path, '.incoming'))
		renameSync(join(path, '.incoming'), join(path, file))
	}
	const expected = await complete('gpt2-fp16', prompt, 8)
	expect(await complete('gpt2', prompt, 8)).not.toBe(expected)
	// While files of one state stand beside those of another, the answer is 503, to be asked again.
	await eventually(async () => {
		const answer = await complete('swapped', prompt, 8).catch((error) => error.status)
		expect([expected, 503]).toContain(answer)
		return answer === expected
	})
	rmSync(path, { recursive: true })
	await eventually(async () => !(await listed()).includes('swapped'))
})

test('a directory that is damaged later keeps its neighbours served', async () => {
	copy('gpt2', 'later')
	await eventually(async () => (await listed()).includes('later'))
	writeFileSync(join(server.checkpoints, 'later/model.safetensors'), 'nothing')
	await eventually(async () => !(await listed()).includes('later'))
	expect(await listed()).toContain('gpt2')
})

test('a GGUF file needs no directory: its name is the id', async () => {
	const fixture = 'gguf-llama-spm-f16'
	const id = 'TinyLlama.F16.gguf'
	const path = join(server.checkpoints, id)
	cpSync(join(families, fixture, `${fixture}.gguf`), path)
	await eventually(async () => (await listed()).includes(id))
	const prompt = familyAnswers(fixture).greedy[0]!.prompt_ids
	expect(await complete(id, prompt, 8)).toBe(await complete(fixture, prompt, 8))
	const card = await fetch(`${server.url}/api/models/${id}`)
	expect(card.status).toBe(200)
	expect(await card.json()).toMatchObject({ format: 'gguf', family: 'llama' })
	rmSync(path)
	await eventually(async () => !(await listed()).includes(id))
})
