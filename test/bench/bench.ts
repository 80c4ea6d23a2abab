/**
 * `bun run bench`: speeds, loads, latencies and quality, each speed beside the machine's own limit measured in
 * the same moments. See options.ts for the command line.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { readMachine } from '../../src/commands/machine.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import type { Bench } from './bench-context.ts'
import { measureCliffs } from './cliffs.ts'
import { compare } from './compare.ts'
import { measureConstraints } from './constraint-speed.ts'
import { measureEngine } from './engine-speed.ts'
import { measureGuesses } from './guess-speed.ts'
import { measureHttp } from './http-speed.ts'
import { measureListing } from './listing.ts'
import { measureLoad } from './load-speed.ts'
import { measureLimits } from './machine-limits.ts'
import { measureManyRuns } from './many-runs.ts'
import { measureMemory } from './memory.ts'
import { type BenchOptions, type Group, parseOptions, USAGE } from './options.ts'
import { measurePage } from './page-speed.ts'
import { measureQuality } from './quality.ts'
import { Report } from './report.ts'
import { measureStalls } from './stalls.ts'
import { measureStart } from './start-time.ts'

const MEASUREMENTS: Readonly<Record<Group, readonly [string, (bench: Bench) => Promise<void>]>> = {
	limits: ['Limits of the machine', measureLimits],
	engine: ['Engine, in this process', measureEngine],
	guesses: ['Tokens guessed ahead, one stream, f32', measureGuesses],
	http: ['Over HTTP with SSE, f32, clients in another process', measureHttp],
	memory: ['Memory of a server', measureMemory],
	cliffs: ['Beyond the length of the context, over HTTP', measureCliffs],
	constraints: ['Texts held to a format, over HTTP', measureConstraints],
	stalls: [
		'Longest pause of four streams, and longest wait for /health, beside one heavy request',
		measureStalls,
	],
	start: ['Start', measureStart],
	load: ['Checkpoints', measureLoad],
	quality: ['Quality', measureQuality],
	listing: ['Listing', measureListing],
	runs: ['Thousands of runs', measureManyRuns],
	page: ['The web page in Chromium', measurePage],
	compare: ['The same weights in other engines, by turns', compare],
}

async function main(options: BenchOptions): Promise<void> {
	const start = performance.now()
	const libraryPath = join(import.meta.dir, '../../dist/libkernels.so')
	const kernels = openKernels(libraryPath)
	kernels.select('')
	const threads = readMachine().cores
	kernels.threadsSet(threads)
	const processor = cpus()[0]?.model.trim() ?? 'unknown'
	const machine = { processor, threads, isa: kernels.isaName(), loadBefore: loadavg()[0] }
	console.log(`${processor}, ${threads} threads, ${machine.isa}, load ${machine.loadBefore}`)

	const report = new Report()
	const stopping = new AbortController()
	const directory = mkdtempSync(join(tmpdir(), 'alpha-bench-'))
	process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
	for (const signal of ['SIGINT', 'SIGTERM'] as const) {
		process.on(signal, () => {
			stopping.abort()
			process.exit(1)
		})
	}
	const bench: Bench = {
		isQuick: options.isQuick,
		rounds: options.isQuick ? 5 : 7,
		sampleSeconds: options.isQuick ? 0.04 : 0.1,
		threads,
		kernels,
		libraryPath,
		directory,
		comparison: options.comparison,
		stopping: stopping.signal,
		report,
	}
	for (const group of options.groups) {
		const [title, measure] = MEASUREMENTS[group]
		report.startGroup(title)
		await measure(bench)
		kernels.threadsSet(threads)
	}

	const seconds = (performance.now() - start) / 1000
	const { reached, all } = report.score
	console.log(`\n${reached} of ${all} goals reached, ${seconds.toFixed(0)} s`)
	if (options.json === null) return
	await Bun.write(options.json, JSON.stringify({ machine, figures: report }, null, '\t'))
}

let options: BenchOptions
try {
	options = parseOptions(process.argv.slice(2))
} catch (error) {
	console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`)
	process.exit(64)
}
await main(options)
