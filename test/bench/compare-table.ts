/**
 * `bun test/bench/compare-table.ts FILE…`: the ratios of comparisons (`bun run bench --compare --json FILE`) as
 * Markdown, a row for each model and format. Pieces of a comparison may lie in several files.
 */
import { readFileSync } from 'node:fs'

interface Figure {
	readonly subject: string
	readonly name: string
	readonly value: number
	readonly spread: number | null
	readonly unit: string
}

interface Measured {
	readonly machine: { readonly processor: string; readonly threads: number; readonly isa: string }
	readonly figures: readonly Figure[]
}

const RATIO = /^(.*), ours against (.*)$/

/** 2.4 (±3 %): the middle ratio, and half the distance of the quartiles. */
function cell({ value, spread }: Figure): string {
	const text = value < 10 ? value.toFixed(2) : value.toFixed(1)
	return spread === null ? text : `${text} (±${Math.round((spread / 2) * 100)} %)`
}

const rows = new Map<string, Map<string, string>>()
const columns = new Set<string>()
const machines = new Set<string>()
for (const path of process.argv.slice(2)) {
	const { machine, figures } = JSON.parse(readFileSync(path, 'utf8')) as Measured
	machines.add(`${machine.processor}, ${machine.threads} threads, ${machine.isa}`)
	for (const figure of figures) {
		const [, work, peer] = RATIO.exec(figure.name) ?? []
		if (work === undefined) continue
		const column = `${work}, ${peer}`
		columns.add(column)
		const row = rows.get(figure.subject) ?? new Map<string, string>()
		rows.set(figure.subject, row.set(column, cell(figure)))
	}
}
if (rows.size === 0) {
	console.error('expected files with figures of --compare, got none of them')
	process.exit(64)
}
console.log(`${[...machines].join('; ')}\n`)
console.log(`| times as fast | ${[...columns].join(' | ')} |`)
console.log(`|---|${'---|'.repeat(columns.size)}`)
for (const [subject, cells] of rows) {
	const texts = [...columns].map((column) => cells.get(column) ?? '–')
	console.log(`| ${subject} | ${texts.join(' | ')} |`)
}
