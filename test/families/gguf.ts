/**
 * What llama.cpp computes from our GGUF exports, beside what we compute: `bun test/families/gguf.ts
 * LLAMA_SERVER`, a path. When all agree it writes the digests that the tests compare with
 * (fixtures/exports-gguf.json).
 */

import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportCheckpoint } from '../../src/checkpoint/exports/export.ts'
import { ggufApproximation } from '../../src/checkpoint/exports/gguf-model.ts'
import { loadCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { forwardPass } from '../helpers/forward-pass.ts'
import { freePort } from '../helpers/free-port.ts'
import { openFixture } from '../helpers/open-fixture.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { libraryPath } from '../helpers/test-engine.ts'

const fixtures = join(import.meta.dir, '../fixtures')
const MODELS = [
	'v1-char',
	'v1-bpe',
	'v2-gelu-bpe',
	'v2-bpe-heap',
	...[
		'gpt2',
		'gpt2-bf16',
		'nanogpt-char-origmod',
		'llama-spm',
		'llama-rope3-chat',
		'llama-bias-headdim',
		'llama2c-v1',
		'qwen2',
		'qwen3',
		'neox-parallel',
	].map((name) => `families/${name}`),
]

/** llama.cpp reads its GELU from a table of half precision, which costs up to 8e-4. */
const LOGPROB_TOLERANCE = 1.5e-3
/** Gap of the two best below which two correct implementations may disagree. */
const NEAR_TIE = 1e-2
const TOKENS = 16
const PROMPTS = 16
const TEXTS = [
	'The light of the sun',
	' and   two  blanks',
	'a line\nand another\n\n',
	'naïve café — “quotes” …',
	'x = 3.14159 + 2',
	'日本語 and русский',
	"it's 1 o'clock, isn't it?",
]

/** What llama-server answers for a token. */
interface Drawn {
	readonly id: number
	readonly logprob: number
	readonly top_logprobs: readonly { readonly id: number; readonly logprob: number }[]
}

/** llama-server with a model, until it is disposed. */
async function startLlama(executable: string, path: string) {
	const port = freePort()
	const url = `http://127.0.0.1:${port}`
	const child = Bun.spawn(
		[
			executable,
			'-m',
			path,
			'--port',
			`${port}`,
			'-t',
			'2',
			'-c',
			'0',
			'-np',
			'1',
			'-fa',
			'off',
		].concat(['-ctk', 'f32', '-ctv', 'f32', '--no-warmup']),
		{ stdio: ['ignore', 'ignore', 'pipe'] },
	)
	const log = new Response(child.stderr).text()
	const isReady = () =>
		fetch(`${url}/health`).then(
			({ ok }) => ok,
			() => false,
		)
	while (!(await isReady())) {
		if (child.exitCode !== null) throw new Error(`llama-server ended:\n${await log}`)
		await Bun.sleep(50)
	}
	return {
		async ask<T>(route: string, body: object): Promise<T> {
			const response = await fetch(url + route, { method: 'POST', body: JSON.stringify(body) })
			return (await response.json()) as T
		},
		async [Symbol.asyncDispose]() {
			child.kill()
			await child.exited
		},
	}
}

type Llama = Awaited<ReturnType<typeof startLlama>>

const kernels = openKernels(libraryPath)
kernels.select('')

interface Comparison {
	/** Largest difference of a log-probability of the five likeliest tokens. */
	readonly logprobs: number
	/** Greedy texts that are equal up to a near tie, of all. */
	readonly greedy: number
	readonly prompts: number
	/** Texts that both encode alike, of all. */
	readonly texts: number
}

async function compare(name: string, llama: Llama): Promise<Comparison> {
	using fixture = openFixture(name)
	const allocate = (bytes: number) => new SharedArrayBuffer(bytes)
	const network = loadCheckpoint(kernels, fixture.file, 'f32', allocate)
	// What an export is known to leave out is measured by `alpha export`, not here.
	const config = ggufApproximation(network.config)?.config ?? network.config
	const forward = forwardPass(kernels, { ...network, config })
	const tokenizer = createTokenizer(network.tokenizerSpec)
	let [logprobs, greedy] = [0, 0]
	const prompts = Array.from({ length: PROMPTS }, (_, i) => promptOf(tokenizer, i))
	for (const prompt of prompts) {
		const { completion_probabilities: drawn } = await llama.ask<{
			completion_probabilities: readonly Drawn[]
		}>('/completion', {
			prompt,
			n_predict: TOKENS,
			temperature: 0,
			n_probs: 5,
			cache_prompt: false,
		})
		const ids = [...prompt]
		let isEqual = true
		for (const [i, { id, top_logprobs }] of drawn.entries()) {
			const own = logSoftmax(forward(ids).logits.row(0))
			if (i === 0) {
				for (const { id, logprob } of top_logprobs) {
					logprobs = Math.max(logprobs, Math.abs(own[id]! - logprob))
				}
			}
			const [best, second] = bestTwo(own)
			if (best !== id) isEqual &&= own[best]! - own[second]! < NEAR_TIE
			if (best !== id) break
			ids.push(id)
		}
		if (isEqual) greedy++
	}
	let texts = 0
	for (const content of TEXTS) {
		const { tokens } = await llama.ask<{ tokens: readonly number[] }>('/tokenize', {
			content,
			add_special: true,
			parse_special: false,
		})
		const own = [...tokenizer.promptPrefix, ...tokenizer.encodePlain(content)]
		if (Bun.deepEquals(own, tokens)) texts++
	}
	return { logprobs, greedy, prompts: prompts.length, texts }
}

/** Some ids of the vocabulary, without reserved tokens. */
function promptOf(tokenizer: Tokenizer, index: number): number[] {
	const { vocab } = tokenizer.spec
	const ids = Array.from(
		{ length: 3 + index },
		(_, i) => (index * 131 + i * 37 + 17) % vocab.length,
	)
	return [...tokenizer.promptPrefix, ...ids]
}

function logSoftmax(logits: Float32Array): Float64Array {
	const max = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
	const sum = logits.reduce((total, logit) => total + Math.exp(logit - max), 0)
	return Float64Array.from(logits, (logit) => logit - max - Math.log(sum))
}

function bestTwo(numbers: Float64Array): [number, number] {
	let [best, second] = [0, -1]
	for (let i = 1; i < numbers.length; i++) {
		if (numbers[i]! > numbers[best]!) [best, second] = [i, best]
		else if (second === -1 || numbers[i]! > numbers[second]!) second = i
	}
	return [best, second]
}

const [executable = 'llama-server'] = process.argv.slice(2)
using directory = tempDir()
const digests: Record<string, string> = {}
const rows: Record<string, Comparison> = {}
for (const name of MODELS) {
	const out = join(directory.path, name.replace('/', '-'))
	using fixture = openFixture(name)
	exportCheckpoint(kernels, fixture.file, {
		format: 'gguf',
		directory: out,
		name: 'model',
		dtype: 'f32',
		isApproximate: true,
	})
	const path = join(out, readdirSync(out)[0]!)
	await using llama = await startLlama(executable, path)
	rows[name] = await compare(name, llama)
	digests[name] = createHash('sha256').update(readFileSync(path)).digest('hex')
}
console.table(rows)
const isRight = Object.values(rows).every(
	({ logprobs, greedy, prompts }) => logprobs < LOGPROB_TOLERANCE && greedy === prompts,
)
if (isRight) {
	const text = `${JSON.stringify(digests, null, '\t')}\n`
	writeFileSync(join(fixtures, 'exports-gguf.json'), text)
}
process.exit(isRight ? 0 : 1)
