/** The metrics as Prometheus and the boards of Grafana read them. */
import { describe, expect, test } from 'bun:test'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type AlphaServer, startAlpha } from '../helpers/alpha-server.ts'
import { eventually } from '../helpers/eventually.ts'
import { hasPrometheus, promtool, startPrometheus } from '../helpers/prometheus.ts'
import { tempDir } from '../helpers/temp-dir.ts'

const deploy = join(import.meta.dir, '../../deploy')
const needs = hasPrometheus ? '' : ' (needs prometheus and promtool)'

/** A few generations, refusals and embeddings, of one model. */
async function useServer({ url }: AlphaServer): Promise<void> {
	const post = (path: string, body: object) =>
		fetch(`${url}${path}`, { method: 'POST', body: JSON.stringify(body) }).then((r) => r.text())
	const prompt = 'Emma Woodhouse, handsome, clever, and rich,'
	await post('/v1/completions', { prompt, max_tokens: 12, n: 2 })
	await post('/v1/chat/completions', {
		messages: [{ role: 'user', content: prompt }],
		max_tokens: 6,
		stream: true,
	})
	await post('/v1/completions', { prompt, max_tokens: 'many' })
}

/** Panels of the public board of vLLM's repository, by the names and functions of their expressions. */
const quantilesAndMean = [
	'e2e_request_latency_seconds',
	'inter_token_latency_seconds',
	'time_to_first_token_seconds',
]
const rates = [
	'prompt_tokens_total',
	'generation_tokens_total',
	'request_queue_time_seconds_sum',
	'request_prefill_time_seconds_sum',
	'request_decode_time_seconds_sum',
	'request_max_num_generation_tokens_sum',
]
const gauges = ['num_requests_running', 'num_requests_waiting', 'kv_cache_usage_perc']
const heatmaps = ['request_prompt_tokens', 'request_generation_tokens']

/** The expressions of that board for a model. */
function boardOfVllm(model: string): string[] {
	const of = (name: string) => `vllm:${name}{model_name="${model}"}`
	const rate = (name: string) => `rate(${of(name)}[10s])`
	return [
		...quantilesAndMean.flatMap((name) => [
			...[0.99, 0.95, 0.9, 0.5].map(
				(q) => `histogram_quantile(${q}, sum by(le) (${rate(`${name}_bucket`)}))`,
			),
			`${rate(`${name}_sum`)} / ${rate(`${name}_count`)}`,
		]),
		...rates.map(rate),
		...gauges.map(of),
		...heatmaps.map((name) => `sum by(le) (increase(${of(`${name}_bucket`)}[10s]))`),
		`sum by(finished_reason) (increase(${of('request_success_total')}[10s]))`,
	]
}

/** The expressions of our board. */
function ownBoard(): string[] {
	const board = JSON.parse(readFileSync(join(deploy, 'grafana.json'), 'utf8')) as {
		panels: { targets: { expr: string }[] }[]
	}
	return board.panels.flatMap(({ targets }) =>
		targets.map(({ expr }) =>
			expr
				.replaceAll('$__rate_interval', '10s')
				.replaceAll('$job', 'alpha')
				.replaceAll('$model', '.*'),
		),
	)
}

describe.skipIf(!hasPrometheus)(`a real Prometheus${needs}`, () => {
	test('has data for every expression of the boards, vLLM’s and ours', async () => {
		await using server = await startAlpha({ runs: [] })
		await using prometheus = await startPrometheus(new URL(server.url).host)
		await useServer(server)
		await eventually(
			async () => (await prometheus.query('vllm:num_requests_running')).length > 0,
			30_000,
		)
		const expressions = [...boardOfVllm('novels-austen'), ...ownBoard()]
		let without: readonly string[] = expressions
		// Rates need two scrapes between which something happened.
		await eventually(async () => {
			await useServer(server)
			const values = await Promise.all(expressions.map((each) => prometheus.query(each)))
			without = expressions.filter((_, i) => !values[i]!.some(Number.isFinite))
			return without.length === 0
		}, 30_000).catch(() => {})
		expect(without).toEqual([])
	}, 120_000)
})

describe.skipIf(!hasPrometheus)(`promtool${needs}`, () => {
	test('reads the metrics, and finds fault with names of vLLM only', async () => {
		await using server = await startAlpha({ runs: [] })
		await useServer(server)
		const text = await (await fetch(`${server.url}/metrics`)).text()
		const { status, errors, output } = await promtool(['check', 'metrics'], text)
		// 3: it has remarks; 1: it cannot read them.
		expect([0, 3]).toContain(status)
		const remarks = (errors + output).split('\n').filter((line) => line !== '')
		expect(remarks.filter((line) => !line.startsWith('vllm:'))).toEqual([])
	})

	test('reads the alert rules', async () => {
		const { status, output } = await promtool(['check', 'rules', join(deploy, 'alerts.yml')])
		expect([status, output.includes('8 rules found')]).toEqual([0, true])
	})

	test('sees each alert fire when it shall, and none when all is well', async () => {
		using directory = tempDir()
		const path = join(directory.path, 'alerts.test.yml')
		writeFileSync(path, ruleTests())
		const { status, output, errors } = await promtool(['test', 'rules', path])
		expect({ status, text: status === 0 ? '' : output + errors }).toEqual({ status: 0, text: '' })
	})
})

/** Series that make an alert fire after half an hour, with labels that its rule keeps. */
const firing: Record<string, readonly string[]> = {
	AlphaDown: ['up{job="alpha",instance="a"} 0x40'],
	AlphaRestarts: ['process_start_time_seconds{job="alpha",instance="a"} 1+1x40'],
	AlphaFails: [
		'alpha_http_requests_total{job="alpha",instance="a",status="500"} 0+10x40',
		'alpha_http_requests_total{job="alpha",instance="a",status="200"} 0+10x40',
	],
	AlphaRefuses: [
		'alpha_http_requests_total{job="alpha",instance="a",status="503"} 0+10x40',
		'alpha_http_requests_total{job="alpha",instance="a",status="200"} 0+10x40',
	],
	AlphaQueueIsLong: histogram('alpha_queue_time_seconds'),
	AlphaIsSlow: histogram('alpha_time_to_first_token_seconds'),
	AlphaCutsStreams: ['alpha_streams_cut_total{job="alpha",instance="a"} 0+1x40'],
	AlphaModelsDamaged: ['alpha_models_damaged{job="alpha",instance="a"} 1x40'],
}

/** All of it between five and ten seconds. */
function histogram(name: string): string[] {
	const bucket = (le: string, add: number) =>
		`${name}_bucket{job="alpha",instance="a",le="${le}"} 0+${add}x40`
	return [bucket('0.1', 0), bucket('5', 0), bucket('10', 9), bucket('+Inf', 9)]
}

const well = [
	'up{job="alpha",instance="a"} 1x40',
	'process_start_time_seconds{job="alpha",instance="a"} 1x40',
	'alpha_http_requests_total{job="alpha",instance="a",status="200"} 0+10x40',
	'alpha_streams_cut_total{job="alpha",instance="a"} 3x40',
	'alpha_models_damaged{job="alpha",instance="a"} 0x40',
]

/** The file of `promtool test rules`, which is JSON as well as YAML. */
function ruleTests(): string {
	const series = (lines: readonly string[]) =>
		lines.map((line) => {
			const [, name, values] = /^(\S+) (.*)$/.exec(line) ?? []
			return { series: name, values }
		})
	const expression = (name: string) =>
		`count(ALERTS{alertname="${name}",alertstate="firing"}) or vector(0)`
	const sample = (name: string, value: number) => ({
		expr: expression(name),
		eval_time: '30m',
		exp_samples: [{ labels: '{}', value }],
	})
	const tests = Object.entries(firing).map(([name, lines]) => ({
		interval: '1m',
		input_series: series(lines),
		promql_expr_test: [sample(name, 1)],
	}))
	const allWell = {
		interval: '1m',
		input_series: series(well),
		promql_expr_test: Object.keys(firing).map((name) => sample(name, 0)),
	}
	return JSON.stringify({
		rule_files: [join(deploy, 'alerts.yml')],
		evaluation_interval: '1m',
		tests: [...tests, allWell],
	})
}
