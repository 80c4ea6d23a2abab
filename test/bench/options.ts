import { parseArgs } from 'node:util'
import type { Dtype } from '../../src/model/model-config.ts'
import { COMPARED_MODELS, type ComparedModel } from './compared-models.ts'

/** Parts of the benchmark, in the order in which they run. */
export const GROUPS = [
	'limits',
	'engine',
	'guesses',
	'http',
	'memory',
	'cliffs',
	'constraints',
	'stalls',
	'start',
	'load',
	'quality',
	'listing',
	'runs',
	'page',
	'compare',
] as const

export type Group = (typeof GROUPS)[number]

/** Engines that ours is compared with. */
export const PEERS = ['llama.cpp', 'llama-server', 'onnxruntime', 'ctranslate2'] as const
export type Peer = (typeof PEERS)[number]

const DTYPES = ['f32', 'bf16', 'int8'] as const satisfies readonly Dtype[]

/** What is compared. */
export interface Comparisons {
	readonly peers: readonly Peer[]
	readonly models: readonly ComparedModel[]
	readonly dtypes: readonly Dtype[]
}

export interface BenchOptions {
	/** About a minute instead of less than ten. */
	readonly isQuick: boolean
	/** File to write all figures to. */
	readonly json: string | null
	readonly groups: readonly Group[]
	readonly comparison: Comparisons
}

export const USAGE = `bun run bench [--quick] [--json FILE] [--only NAME] [--compare] [--with LIST] [--models LIST] [--dtypes LIST]
  --quick        one minute: fewer models and rounds
  --json FILE    also write every figure, with its samples' spread, to FILE
  --only NAME    one part alone: ${GROUPS.join(', ')}
  --compare      other engines beside ours, and nothing else; they are built or installed on first use
  --with LIST    of ${PEERS.join(',')} (default: all)
  --models LIST  of ${COMPARED_MODELS.join(',')} (default: all)
  --dtypes LIST  of ${DTYPES.join(',')} (default: all)`

/** Reads the command line. Throws an Error whose message is for the user. */
export function parseOptions(args: string[]): BenchOptions {
	const { values } = parseArgs({
		args,
		options: {
			quick: { type: 'boolean', default: false },
			json: { type: 'string' },
			only: { type: 'string' },
			compare: { type: 'boolean', default: false },
			with: { type: 'string' },
			models: { type: 'string' },
			dtypes: { type: 'string' },
		},
	})
	const only = values.compare ? 'compare' : GROUPS.find((group) => group === values.only)
	if (values.only !== undefined && only === undefined) {
		throw new Error(`--only: expected one of ${GROUPS.join(', ')}, got ${values.only}`)
	}
	return {
		isQuick: values.quick,
		json: values.json ?? null,
		groups: only === undefined ? GROUPS.filter((group) => group !== 'compare') : [only],
		comparison: {
			peers: listOf('--with', values.with, PEERS),
			models: listOf('--models', values.models, COMPARED_MODELS),
			dtypes: listOf('--dtypes', values.dtypes, DTYPES),
		},
	}
}

function listOf<Name extends string>(
	flag: string,
	text: string | undefined,
	all: readonly Name[],
): readonly Name[] {
	if (text === undefined) return all
	return text.split(',').map((item) => {
		const name = all.find((known) => known === item)
		if (name === undefined) throw new Error(`${flag}: expected some of ${all}, got ${item}`)
		return name
	})
}
