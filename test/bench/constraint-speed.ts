/** Tokens a second of texts that are held to a format, beside free ones, by turns on one server. */
import { type Bench, roundsOf, runsDirectory, servedName } from './bench-context.ts'
import type { ClientResult, ClientTask } from './http-client.ts'
import type { Goal } from './report.ts'
import { startServer } from './server-process.ts'
import { TaskProcess } from './task-process.ts'

const STREAM_COUNTS = [1, 8, 32] as const
const STREAM_TOKENS = 128
/** Runs before those that count: the server's code is compiled, and masks are made, while they run. */
const WARM_UP_RUNS = 3

const FREE_RATIO_GOAL: Goal = { of: 'value', bound: 'min', limit: 0.8 }

/** Never at its end within the tokens of a stream. */
const PEOPLE = {
	type: 'array',
	minItems: 1000,
	items: {
		type: 'object',
		properties: {
			name: { type: 'string' },
			age: { type: 'integer', minimum: 0, maximum: 150 },
			kind: { enum: ['friend', 'foe', 'nobody'] },
			letters: { type: 'array', items: { type: 'string' } },
		},
		required: ['name', 'age', 'kind', 'letters'],
		additionalProperties: false,
	},
}

const FORMATS = {
	json_object: { response_format: { type: 'json_object' } },
	json_schema: { response_format: { type: 'json_schema', json_schema: { schema: PEOPLE } } },
} as const

export async function measureConstraints(bench: Bench): Promise<void> {
	await using server = await startServer(bench, runsDirectory(bench))
	using client = new TaskProcess<ClientTask, ClientResult>('http-client.ts')
	const target = { port: server.port, model: servedName('embedded'), probes: [] }
	const ask = async (
		streams: number,
		maxTokens: ClientTask['maxTokens'],
		fields: Record<string, unknown> = {},
	) => {
		const { tokens, seconds, streamTokens } = await client.run({
			...target,
			streams,
			maxTokens,
			fields,
		})
		return { speed: tokens / seconds, streamTokens }
	}
	for (const [format, fields] of Object.entries(FORMATS)) {
		for (let run = 0; run < WARM_UP_RUNS; run++) await ask(8, STREAM_TOKENS, fields)
		for (const streams of STREAM_COUNTS) {
			const held: number[] = []
			const ratios: number[] = []
			for await (const _ of roundsOf(bench)) {
				const { speed, streamTokens } = await ask(streams, STREAM_TOKENS, fields)
				// Held texts may end by themselves: each free one is as long as one of them.
				const free = await ask(streams, streamTokens)
				held.push(speed)
				ratios.push(speed / free.speed)
			}
			const name = `${format}, ${streams === 1 ? '1 stream' : `${streams} streams`}`
			bench.report.add({ subject: 'embedded', name, unit: 'tok/s', samples: held })
			bench.report.add({
				subject: 'embedded',
				name: `${name}, against free text`,
				unit: '×',
				samples: ratios,
				goal: FREE_RATIO_GOAL,
			})
		}
	}
}
