/**
 * `bun test/bench/compare-checkouts.ts OTHER TURNS [OPTION…]`: the benchmark in another checkout, built as
 * this one is, and here, by turns; prints each figure of both and how many times as good it is here.
 * Further options go to both: `--only engine --quick`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { median } from './statistics.ts'

interface Figure {
	readonly subject: string
	readonly name: string
	readonly value: number
	readonly unit: string
}

/** Units of which less is better. */
const COSTS = new Set(['ms', 's', 'MB', '%'])

const [other, turns, ...passed] = process.argv.slice(2)
if (other === undefined || !(Number(turns) >= 1)) {
	console.error('expected the path of another checkout and a number of turns')
	process.exit(64)
}

const directory = mkdtempSync(join(tmpdir(), 'alpha-checkouts-'))
process.on('exit', () => rmSync(directory, { recursive: true }))

async function measure(checkout: string): Promise<readonly Figure[]> {
	const json = join(directory, 'figures.json')
	const bench = join(checkout, 'test/bench/bench.ts')
	const child = Bun.spawn([process.execPath, bench, ...passed, '--json', json], {
		cwd: checkout,
		stdio: ['ignore', 'ignore', 'inherit'],
	})
	if ((await child.exited) !== 0) throw new Error(`the benchmark failed in ${checkout}`)
	return (JSON.parse(readFileSync(json, 'utf8')) as { readonly figures: Figure[] }).figures
}

const before = new Map<string, number[]>()
const after = new Map<string, number[]>()
const units = new Map<string, string>()
for (let turn = 0; turn < Number(turns); turn++) {
	for (const [checkout, samples] of [
		[resolve(other), before],
		[join(import.meta.dir, '../..'), after],
	] as const) {
		for (const { subject, name, value, unit } of await measure(checkout)) {
			const key = `${subject}, ${name}`
			units.set(key, unit)
			samples.set(key, [...(samples.get(key) ?? []), value])
		}
	}
}
for (const [key, unit] of units) {
	const [old, own] = [before.get(key), after.get(key)]
	const text = (samples: readonly number[] | undefined) =>
		(samples ?? []).map((value) => value.toPrecision(4)).join(' ') || '–'
	const gain = old && own ? median(own) / median(old) : null
	const ratio = gain === null ? '–' : `${(COSTS.has(unit) ? 1 / gain : gain).toFixed(2)} ×`
	console.log(`${key.padEnd(52)} ${text(old)} → ${text(own)} ${unit}: ${ratio}`)
}
