/** Streams over HTTP beside llama.cpp's server: the same weights, draws and client, by turns. */
import type { Dtype } from '../../src/model/model-config.ts'
import { type Bench, roundsOf } from './bench-context.ts'
import { DECODE_TOKENS } from './bench-runner.ts'
import { COMPARED_DIRECTORY, type ComparedModel, ggufPath } from './compared-models.ts'
import type { ClientResult, ClientTask } from './http-client.ts'
import { startLlamaServer } from './llama-server.ts'
import { addRatio } from './peer.ts'
import { startServer } from './server-process.ts'
import { TaskProcess } from './task-process.ts'

const STREAM_COUNTS = [1, 32] as const
const SLOTS = Math.max(...STREAM_COUNTS)
const SLOT_TOKENS = 256
/** A sample lasts about so long for the slower one, within these tokens of a stream. */
const SAMPLE_SECONDS = 1
const STREAM_TOKENS_MIN = 8
const PROBES = 10
const WARM_UP = { streams: 8, maxTokens: 16, probes: [] }
const WARM_UP_RUNS = 8
/** About so many tokens to read before the first one. */
const PROBE_CHARACTERS = 64

/** The draws that both make: what else llama-server looks for is left out. */
const DRAWS = { temperature: 0.7, top_k: 40, top_p: 1, ignore_eos: true }
const THEIR_DRAWS = { samplers: ['top_k', 'temperature'], cache_prompt: false }
const USAGE = { stream_options: { include_usage: true } }

type Ask = (task: Pick<ClientTask, 'streams' | 'maxTokens' | 'probes'>) => Promise<ClientResult>

export async function compareHttp(bench: Bench, name: ComparedModel, dtype: Dtype): Promise<void> {
	await using ours = await startServer(bench, COMPARED_DIRECTORY, [`--dtype=${dtype}`])
	await using theirs = await startLlamaServer(bench, {
		model: ggufPath(name, dtype),
		slots: SLOTS,
		slotTokens: SLOT_TOKENS,
	})
	using client = new TaskProcess<ClientTask, ClientResult>('http-client.ts')
	const asker =
		(port: number, fields: object): Ask =>
		(task) =>
			client.run({
				port,
				model: name,
				endpoint: 'completions',
				fields: { ...DRAWS, ...USAGE, ...fields },
				...task,
			})
	const askOurs = asker(ours.port, {})
	const askTheirs = asker(theirs.port, THEIR_DRAWS)
	// The first request loads our model; then our server's code is compiled, while it runs.
	for (const ask of [askOurs, askTheirs]) {
		for (let run = 0; run < WARM_UP_RUNS; run++) await ask(WARM_UP)
	}
	for (const streams of STREAM_COUNTS) {
		const maxTokens = await tokensOfSample(askTheirs, streams)
		const speeds = { ours: [] as number[], theirs: [] as number[] }
		for await (const _ of roundsOf(bench)) {
			speeds.theirs.push(speedOf(await askTheirs({ streams, maxTokens, probes: [] })))
			speeds.ours.push(speedOf(await askOurs({ streams, maxTokens, probes: [] })))
		}
		const work = streams === 1 ? 'HTTP, 1 stream' : `HTTP, ${streams} streams`
		addRatio(
			bench.report,
			{ model: name, dtype, work, peer: 'llama-server', unit: 'tok/s' },
			speeds,
		)
	}
	const waits = { ours: [] as number[], theirs: [] as number[] }
	for await (const round of roundsOf(bench)) {
		for (let i = 0; i < PROBES; i++) {
			// Each on a connection of its own: llama-server closes them.
			const probe = { streams: 0, maxTokens: 1, probes: [promptOf(round * PROBES + i)] }
			waits.theirs.push(...(await askTheirs(probe)).firstTokenMs)
			waits.ours.push(...(await askOurs(probe)).firstTokenMs)
		}
	}
	const first = { model: name, dtype, work: 'HTTP, first token', peer: 'llama-server', unit: 'ms' }
	addRatio(bench.report, { ...first, isTime: true }, waits)
}

function speedOf({ tokens, seconds }: ClientResult): number {
	return tokens / seconds
}

async function tokensOfSample(ask: Ask, streams: number): Promise<number> {
	const probe = await ask({ streams, maxTokens: STREAM_TOKENS_MIN, probes: [] })
	const wanted = (SAMPLE_SECONDS * speedOf(probe)) / streams
	return Math.round(Math.min(Math.max(wanted, STREAM_TOKENS_MIN), DECODE_TOKENS))
}

/** Another text each time. */
function promptOf(seed: number): string {
	const letters = 'etaoinshrdlu'
	let state = seed + 1
	return Array.from({ length: PROBE_CHARACTERS }, () => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
		return letters[(state >>> 16) % letters.length]
	}).join('')
}
