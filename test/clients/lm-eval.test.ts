/**
 * The evaluation harness lm-eval with its own ways of asking: every kind of task, in batches, several at
 * once, tokens from the server's tokenizer. Its numbers are those of scoring a text directly.
 */
import { describe, expect, setDefaultTimeout, test } from 'bun:test'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { pythonExecutable } from './python-environment.ts'

// Python imports slowly on a busy machine.
setDefaultTimeout(600_000)

const harness = pythonExecutable('python-clients', 'lm_eval')
const python = pythonExecutable('python-clients', 'python')
const note = harness === null ? ' (skipped: lm-eval is not installed)' : ''

interface Model {
	readonly run: string
	readonly contextLength: number
	/** What the harness conditions a first token on where it cannot ask for an end token. */
	readonly prefixTokenId: number | null
	readonly loglikelihood: readonly { readonly context: string; readonly continuation: string }[]
	readonly choices: readonly {
		readonly context: string
		readonly choices: readonly string[]
		readonly label: number
	}[]
	readonly rolling: readonly { readonly text: string }[]
	readonly generate: readonly { readonly context: string; readonly target: string }[]
}

const question = '<|user|> What is your name? <|assistant|>'
const tune = 'X:1\nM:4/4\nK:G\n|:G'

const models: readonly Model[] = [
	{
		run: 'v2-bpe-chat',
		contextLength: 64,
		prefixTokenId: null,
		loglikelihood: [
			// The likeliest token behind the whole text is the end token.
			{ context: question, continuation: ' My name is Alpha.' },
			{ context: question, continuation: ' My name is Finn.' },
			{ context: '<|user|> Does Finn like cheese? <|assistant|>', continuation: ' Yes' },
			{ context: '', continuation: 'Good night.' },
			{ context: 'Good', continuation: ' night.' },
		],
		choices: [
			{ context: question, choices: [' My name is Finn.', ' My name is Alpha.', ' Hi.'], label: 1 },
			{
				context: '<|user|> Good night. <|assistant|>',
				choices: [' Good night.', ' I am.'],
				label: 0,
			},
		],
		// Longer than the context, so that it is scored window by window.
		rolling: [{ text: 'Good night. Sleep well. Thank you. '.repeat(12) }, { text: 'Good night.' }],
		generate: [
			{ context: question, target: ' My name is Alpha' },
			{ context: '<|user|> Good night. <|assistant|>', target: ' Good night' },
		],
	},
	{
		run: 'v2-relu-char',
		contextLength: 40,
		prefixTokenId: 0,
		loglikelihood: [
			{ context: tune, continuation: '\n|:ABcd|defg|' },
			{ context: tune, continuation: 'AB' },
			{ context: '|', continuation: ':' },
		],
		choices: [{ context: tune, choices: ['zzzz', '\n|:ABcd'], label: 1 }],
		rolling: [{ text: `${tune}\n|:ABcd|defg|`.repeat(4) }],
		generate: [{ context: tune, target: '\n|:ABcd|defg' }],
	},
]

for (const model of models) {
	describe.skipIf(harness === null)(`lm-eval with ${model.run}${note}`, () => {
		test('scores and generates as the server does when asked directly', async () => {
			await using server = await startAlpha({ runs: [model.run], args: ['--no-embedded-model'] })
			const samples = await evaluate(model, server)
			const direct = new DirectScores(server, model)

			const scores = samples('alpha_loglikelihood').map(({ filtered_resps }) => filtered_resps[0])
			const expected = await Promise.all(
				model.loglikelihood.map(({ context, continuation }) => direct.pair(context, continuation)),
			)
			expect(scores).toHaveLength(expected.length)
			for (const [i, { logprob, isGreedy }] of expected.entries()) {
				expect(Number(scores[i]![0])).toBeCloseTo(logprob, 6)
				expect(scores[i]![1]).toBe(isGreedy ? 'True' : 'False')
				expect(logprob).toBeLessThan(0)
			}

			for (const [i, { filtered_resps, acc }] of samples('alpha_multiple_choice').entries()) {
				const { context, choices, label } = model.choices[i]!
				const pairs = await Promise.all(choices.map((choice) => direct.pair(context, choice)))
				for (const [j, { logprob }] of pairs.entries()) {
					expect(Number(filtered_resps[j]![0])).toBeCloseTo(logprob, 6)
				}
				const best = pairs.map(({ logprob }) => logprob)
				expect(acc).toBe(best.indexOf(Math.max(...best)) === label ? 1 : 0)
			}

			for (const [i, { filtered_resps }] of samples('alpha_rolling').entries()) {
				const logprob = await direct.text(model.rolling[i]!.text)
				expect(Number(filtered_resps[0])).toBeCloseTo(logprob, 4)
			}

			const texts = samples('alpha_generate').map(({ filtered_resps }) => filtered_resps[0])
			expect(texts.map(String)).toEqual(model.generate.map(({ target }) => target))
		})
	})
}

describe.skipIf(harness === null)(`the chat template of /tokenizer_info${note}`, () => {
	test('renders what the server itself encodes', async () => {
		await using server = await startAlpha({ args: ['--no-embedded-model'] })
		const user = (content: unknown) => ({ role: 'user', content })
		const assistant = (content: unknown) => ({ role: 'assistant', content })
		const conversations = [
			[user('What is your name?')],
			[{ role: 'system', content: 'Be kind.' }, user(' Hello.\n'), assistant('Hi. '), user('Bye.')],
			[user('Hi.'), assistant(null), { role: 'tool', content: 'blue' }],
			[
				user([
					{ type: 'text', text: 'a' },
					{ type: 'text', text: 'b' },
				]),
				assistant(' I am '),
			],
			[user(''), assistant('')],
			[assistant('Hi.')],
		]
		const render =
			'import json, sys; from lm_eval.utils import RemoteTokenizer as T; t = T(sys.argv[1]); ' +
			'print(json.dumps([t.apply_chat_template(m) for m in json.load(sys.stdin)]))'
		const child = Bun.spawn([python ?? '', '-c', render, server.url], {
			stdin: new Response(JSON.stringify(conversations)),
			stderr: 'pipe',
		})
		const texts: string[] = JSON.parse(await new Response(child.stdout).text())
		for (const [i, messages] of conversations.entries()) {
			const rendered = await post(server, '/tokenize', { prompt: texts[i] })
			const encoded = await post(server, '/tokenize', { messages })
			expect(rendered.tokens).toEqual(encoded.tokens)
		}
	})
})

interface Sample {
	readonly doc_id: number
	/** Of a scored text: log-probability and whether it is the greedy one, as Python prints them. */
	readonly filtered_resps: readonly (readonly [logprob: string, isGreedy: string])[]
	readonly acc?: number
}

/** Runs `lm_eval` as its users do; the result gives a task's samples in the order of its data. */
async function evaluate(model: Model, server: AlphaServer): Promise<(task: string) => Sample[]> {
	using workspace = tempDir()
	const data = { ...model, multiple_choice: model.choices }
	for (const kind of ['loglikelihood', 'multiple_choice', 'rolling', 'generate'] as const) {
		const lines = data[kind].map((item) => JSON.stringify(item))
		writeFileSync(join(workspace.path, `${kind}.jsonl`), lines.join('\n'))
	}
	const modelArgs = [
		`base_url=${server.url}/v1/completions`,
		`model=${model.run}`,
		`max_length=${model.contextLength}`,
		'num_concurrent=4',
		...(model.prefixTokenId === null ? [] : [`custom_prefix_token_id=${model.prefixTokenId}`]),
	]
	const child = Bun.spawn(
		[
			harness ?? '',
			...['--model', 'local-completions', '--model_args', modelArgs.join()],
			...['--batch_size', '4', '--include_path', join(import.meta.dir, 'lm-eval')],
			...['--tasks', 'alpha_loglikelihood,alpha_multiple_choice,alpha_rolling,alpha_generate'],
			...['--output_path', 'results', '--log_samples'],
		],
		{
			cwd: workspace.path,
			stdin: 'ignore',
			stdout: 'pipe',
			stderr: 'pipe',
			env: {
				...process.env,
				HF_HOME: join(workspace.path, 'hub'),
				HF_HUB_OFFLINE: '1',
				HF_DATASETS_OFFLINE: '1',
			},
		},
	)
	const log = await new Response(child.stderr).text()
	expect(await child.exited, log).toBe(0)
	const directory = join(workspace.path, 'results', model.run)
	const samples = new Map(
		readdirSync(directory).map((file) => {
			const task = /^samples_(\w+?)_\d{4}-/.exec(file)?.[1] ?? file
			return [task, readFileSync(join(directory, file), 'utf8')]
		}),
	)
	return (task) => {
		const lines = (samples.get(task) ?? '').split('\n').filter(Boolean)
		const parsed = lines.map((line) => JSON.parse(line) as Sample)
		return parsed.sort((a, b) => a.doc_id - b.doc_id)
	}
}

/** Log-probabilities by one request each, without generating anything. */
class DirectScores {
	readonly #server: AlphaServer
	readonly #model: Model

	constructor(server: AlphaServer, model: Model) {
		this.#server = server
		this.#model = model
	}

	/** Of a continuation behind its context, cut where the tokens of the context alone would end. */
	async pair(context: string, continuation: string) {
		const whole = await this.#encode(context + continuation)
		if (context === '') return this.#score([await this.#prefix(), ...whole], 1)
		const ids = await this.#encode(context)
		return this.#score([...ids, ...whole.slice(ids.length)], ids.length)
	}

	/** Of a text of any length: windows that do not overlap, each with as much before it as there is room. */
	async text(text: string): Promise<number> {
		const ids = [await this.#prefix(), ...(await this.#encode(text))]
		const windowMax = this.#model.contextLength - 2
		let sum = 0
		for (let end = Math.min(windowMax + 1, ids.length), from = 1; from < ids.length; ) {
			const start = Math.max(0, end - windowMax - 1)
			sum += (await this.#score(ids.slice(start, end), from - start)).logprob
			from = end
			end = Math.min(end + windowMax, ids.length)
		}
		return sum
	}

	async #score(prompt: readonly number[], from: number) {
		const body = { prompt, echo: true, logprobs: 1, max_tokens: 0 }
		const { choices } = await post(this.#server, '/v1/completions', body)
		const { token_logprobs, top_logprobs } = choices[0].logprobs
		const scores: number[] = token_logprobs.slice(from)
		const best: Record<string, number>[] = top_logprobs.slice(from)
		return {
			logprob: scores.reduce((sum, score) => sum + score, 0),
			isGreedy: scores.every((score, i) => score === Math.max(...Object.values(best[i]!))),
		}
	}

	async #encode(prompt: string): Promise<number[]> {
		return (await post(this.#server, '/tokenize', { prompt, add_special_tokens: false })).tokens
	}

	async #prefix(): Promise<number> {
		if (this.#model.prefixTokenId !== null) return this.#model.prefixTokenId
		const { eos_token } = await (await fetch(`${this.#server.url}/tokenizer_info`)).json()
		return (await this.#encode(eos_token))[0]!
	}
}

async function post(server: AlphaServer, path: string, body: object) {
	const response = await fetch(server.url + path, { method: 'POST', body: JSON.stringify(body) })
	expect(response.status).toBe(200)
	return response.json()
}
