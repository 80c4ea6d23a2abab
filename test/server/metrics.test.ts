/** The metrics that are labelled by model. */
import { expect, test } from 'bun:test'
import type { WorkerStats } from '../../src/engine/stats.ts'
import { fakeCard, saying } from '../helpers/fake-catalog.ts'
import { testApp } from '../helpers/test-app.ts'

const idle: WorkerStats = {
	running: 0,
	waiting: 0,
	withoutRoom: 0,
	promptTokensTotal: 0,
	cachedTokensTotal: 0,
	generatedTokensTotal: 0,
	stepsTotal: 0,
	kvBlocksUsed: 0,
	kvBlocksTotal: 8,
}

async function seriesOf(app: ReturnType<typeof testApp>): Promise<string[]> {
	const text = await (await app.get('/metrics')).text()
	return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
}

test('each series of vLLM says which model it is of', async () => {
	const app = testApp({ script: saying('hello') })
	await app.post('/v1/completions', { prompt: 'a', max_tokens: 3 })
	const series = (await seriesOf(app)).filter((line) => line.startsWith('vllm:'))
	expect(series.length).toBeGreaterThan(100)
	for (const line of series) expect(line).toMatch(/\{model_name="first",.*engine="0"/)
})

test('a model in memory tells what it is doing, and what it shall do next', async () => {
	const loads = [
		{ id: 'first', stats: { ...idle, running: 3, waiting: 2, kvBlocksUsed: 4 } },
		{ id: 'second@7', stats: idle },
	]
	const series = await seriesOf(testApp({ loads }))
	expect(series).toContain('vllm:num_requests_running{model_name="first",engine="0"} 3')
	expect(series).toContain('vllm:num_requests_waiting{model_name="first",engine="0"} 2')
	expect(series).toContain('vllm:kv_cache_usage_perc{model_name="first",engine="0"} 0.5')
	expect(series).toContain('vllm:num_requests_waiting{model_name="second@7",engine="0"} 0')
})

test('an autoscaler gets a number before any model is in memory', async () => {
	expect(await seriesOf(testApp())).toContain(
		'vllm:num_requests_waiting{model_name="first",engine="0"} 0',
	)
})

test('the sum of a request’s parts is what it took', async () => {
	const app = testApp({ script: saying('hello') })
	await app.post('/v1/completions', { prompt: 'abc', max_tokens: 4 })
	const series = await seriesOf(app)
	const sum = (name: string) => {
		const line = series.find((each) => each.startsWith(`vllm:${name}_sum`))
		return Number(line?.split(' ').at(-1))
	}
	expect(sum('request_queue_time_seconds') + sum('request_inference_time_seconds')).toBeCloseTo(
		sum('e2e_request_latency_seconds'),
		6,
	)
	expect(
		sum('request_prefill_time_seconds') + sum('request_decode_time_seconds'),
	).toBeLessThanOrEqual(sum('request_inference_time_seconds'))
	expect([sum('request_prompt_tokens'), sum('request_generation_tokens')]).toEqual([3, 4])
	expect([sum('request_params_max_tokens'), sum('request_params_n')]).toEqual([4, 1])
})

test('fifty models have series of their own, the others share one', async () => {
	const cards = Array.from({ length: 80 }, (_, i) => fakeCard(`model-${i}`))
	const loads = cards.map(({ id }) => ({ id, stats: { ...idle, running: 1 } }))
	const app = testApp({ cards, loads, script: saying('hi') })
	for (const { id } of cards) {
		await app.post('/v1/completions', { model: id, prompt: 'a', max_tokens: 1 })
	}
	const series = await seriesOf(app)
	const running = series.filter((line) => line.startsWith('vllm:num_requests_running'))
	expect(running).toHaveLength(51)
	expect(running).toContain('vllm:num_requests_running{model_name="other",engine="0"} 30')
	expect(series).toContain('vllm:generation_tokens_total{model_name="other",engine="0"} 30')
	const names = series.map((line) => line.slice(0, line.lastIndexOf(' ')))
	expect(new Set(names).size).toBe(names.length)
})
