import { median, spread } from './statistics.ts'

/** What a figure should reach: its value, or its share of the limit. */
export interface Goal {
	readonly of: 'value' | 'share'
	readonly bound: 'min' | 'max'
	readonly limit: number
}

export interface Figure {
	/** What it was measured on: a reference model or `machine`. */
	readonly subject: string
	readonly name: string
	readonly value: number
	readonly unit: string
	/** Distance between the samples' quartiles as a share of their median; null of one sample. */
	readonly spread: number | null
	/** Share of the limit that was measured in the same round; null without one. */
	readonly share: number | null
	readonly limit: Limit | null
	readonly goal: Goal | null
}

/** Read bandwidth at the weights' size, or peak f32 multiply-adds. */
export type Limit = 'bandwidth' | 'peak'

/** A figure with the parts that have no default left out. */
export type FigureParts = Pick<Figure, 'subject' | 'name' | 'unit'> & {
	/** The figure is their median. */
	readonly samples: readonly number[]
	/** Shares of the limit, sample by sample: noise that hits both cancels. */
	readonly shares?: readonly number[]
	readonly limit?: Limit
	readonly goal?: Goal | null
}

/** Collects figures and prints them as a table, group by group. */
export class Report {
	readonly #figures: (Figure & { readonly group: string })[] = []
	#group = ''

	/** Starts a part of the table. */
	startGroup(group: string): void {
		this.#group = group
		console.log(`\n${group}`)
	}

	add({ subject, name, unit, samples, shares, limit, goal }: FigureParts): void {
		const figure: Figure = {
			subject,
			name,
			value: median(samples),
			unit,
			spread: samples.length > 1 ? spread(samples) : null,
			share: shares === undefined ? null : median(shares),
			limit: limit ?? null,
			goal: goal ?? null,
		}
		this.#figures.push({ group: this.#group, ...figure })
		console.log(formatRow(figure))
	}

	/** A remark in the table, for what could not be measured. */
	note(text: string): void {
		console.log(`  ${text}`)
	}

	toJSON(): readonly Figure[] {
		return this.#figures
	}

	/** Goals reached and goals in all. */
	get score(): { readonly reached: number; readonly all: number } {
		const judged = this.#figures.filter((figure) => figure.goal !== null)
		return { reached: judged.filter(isReached).length, all: judged.length }
	}
}

function isReached({ value, share, goal }: Figure): boolean {
	if (goal === null) return false
	const measured = goal.of === 'share' ? (share ?? 0) : value
	return goal.bound === 'min' ? measured >= goal.limit : measured <= goal.limit
}

function formatRow(figure: Figure): string {
	const { subject, name, value, unit, spread, share, limit, goal } = figure
	const verdict = goal === null ? '' : isReached(figure) ? 'reached' : 'MISSED'
	return [
		`  ${subject.padEnd(9)} ${name.padEnd(43)}`,
		formatNumber(value).padStart(9),
		unit.padEnd(8),
		(spread === null ? '' : `±${formatPercent(spread / 2)}`).padStart(6),
		(share === null ? '' : `${formatPercent(share)} of ${limit}`).padStart(18),
		(goal === null ? '' : formatGoal(goal, unit)).padStart(13),
		verdict,
	]
		.join(' ')
		.trimEnd()
}

function formatGoal({ of, bound, limit }: Goal, unit: string): string {
	const amount = of === 'share' ? formatPercent(limit) : `${formatNumber(limit)} ${unit}`
	return `${bound === 'min' ? '≥' : '≤'} ${amount}`
}

function formatPercent(share: number): string {
	return `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`
}

function formatNumber(value: number): string {
	// Three significant digits, but no fewer than the integer part has.
	const magnitude = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(value)))
	const digits = Math.min(Math.max(2 - magnitude, 0), 6)
	return value.toLocaleString('en-US', {
		minimumFractionDigits: digits,
		maximumFractionDigits: digits,
	})
}
