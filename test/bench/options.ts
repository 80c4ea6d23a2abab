import { parseArgs } from 'node:util'

/** Parts of the benchmark, in the order in which they run. */
export const GROUPS = [
	'limits',
	'engine',
	'guesses',
	'http',
	'cliffs',
	'constraints',
	'stalls',
	'start',
	'load',
	'quality',
	'listing',
	'runs',
	'page',
	'llama.cpp',
] as const

export type Group = (typeof GROUPS)[number]

export interface BenchOptions {
	/** About a minute instead of less than ten. */
	readonly isQuick: boolean
	/** File to write all figures to. */
	readonly json: string | null
	readonly groups: readonly Group[]
}

export const USAGE = `bun run bench [--quick] [--json FILE] [--compare llama.cpp] [--only NAME]
  --quick              one minute: fewer models and rounds
  --json FILE          also write every figure, with its samples' spread, to FILE
  --compare llama.cpp  also run the same weights in llama.cpp, which is built for this machine on first use
  --only NAME          one part alone: ${GROUPS.join(', ')}`

/** Reads the command line. Throws an Error whose message is for the user. */
export function parseOptions(args: string[]): BenchOptions {
	const { values } = parseArgs({
		args,
		options: {
			quick: { type: 'boolean', default: false },
			json: { type: 'string' },
			compare: { type: 'string' },
			only: { type: 'string' },
		},
	})
	if (values.compare !== undefined && values.compare !== 'llama.cpp') {
		throw new Error(`--compare: expected llama.cpp, got ${values.compare}`)
	}
	const only = GROUPS.find((group) => group === values.only)
	if (values.only !== undefined && only === undefined) {
		throw new Error(`--only: expected one of ${GROUPS.join(', ')}, got ${values.only}`)
	}
	const isCompared = values.compare !== undefined
	const all = GROUPS.filter((group) => group !== 'llama.cpp' || isCompared)
	return {
		isQuick: values.quick,
		json: values.json ?? null,
		groups: only === undefined ? all : [only],
	}
}
