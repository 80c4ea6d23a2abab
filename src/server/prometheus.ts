/** Counters and histograms in Prometheus' text format. */

export type Labels = Readonly<Record<string, string>>

/** Metrics by the text of their labels. */
abstract class Series<T> {
	readonly #values = new Map<string, T>()

	/** The values under some labels; to be kept by who records often. */
	at(labels: Labels): T {
		const key = labelText(labels)
		let value = this.#values.get(key)
		if (value === undefined) {
			value = this.empty()
			this.#values.set(key, value)
		}
		return value
	}

	protected abstract empty(): T

	/** Lines of one series. */
	protected abstract lines(name: string, labels: string, value: T): string[]

	protected abstract readonly type: string

	/** The metric under a name: aliases are free. `more` labels are added to those of each series. */
	render(name: string, help: string, more: Labels = {}): string {
		const header = [`# HELP ${name} ${help}`, `# TYPE ${name} ${this.type}`]
		const added = labelText(more)
		const lines = [...this.#values].flatMap(([labels, value]) =>
			this.lines(name, [labels, added].filter(Boolean).join(','), value),
		)
		return `${[...header, ...lines].join('\n')}\n`
	}
}

export class Counter extends Series<{ count: number }> {
	protected readonly type = 'counter'

	add(labels: Labels, amount = 1): void {
		this.at(labels).count += amount
	}

	protected empty() {
		return { count: 0 }
	}

	protected lines(name: string, labels: string, { count }: { count: number }): string[] {
		return [sample(name, labels, count)]
	}
}

/** Counts per bucket, and the sum of all values. */
export interface Distribution {
	readonly counts: Float64Array
	sum: number
}

export class Histogram extends Series<Distribution> {
	protected readonly type = 'histogram'
	readonly #bounds: readonly number[]

	/** `bounds`: upper ends of the buckets, ascending; the last bucket has none. */
	constructor(bounds: readonly number[]) {
		super()
		this.#bounds = bounds
	}

	/** Records a value in one of the distributions, `times` times. */
	observe(distribution: Distribution, value: number, times = 1): void {
		const index = this.#bounds.findIndex((bound) => value <= bound)
		distribution.counts[index === -1 ? this.#bounds.length : index]! += times
		distribution.sum += value * times
	}

	protected empty(): Distribution {
		return { counts: new Float64Array(this.#bounds.length + 1), sum: 0 }
	}

	protected lines(name: string, labels: string, { counts, sum }: Distribution): string[] {
		let total = 0
		const separator = labels === '' ? '' : ','
		const buckets = [...counts].map((count, i) => {
			total += count
			const bound = this.#bounds[i] ?? '+Inf'
			return sample(`${name}_bucket`, `${labels}${separator}le="${bound}"`, total)
		})
		return [...buckets, sample(`${name}_sum`, labels, sum), sample(`${name}_count`, labels, total)]
	}
}

/** Values by their labels, which are read when they are asked for. */
export function renderValues(
	name: string,
	help: string,
	type: 'gauge' | 'counter',
	values: readonly (readonly [labels: Labels, value: number])[],
): string {
	const samples = values.map(([labels, value]) => `${sample(name, labelText(labels), value)}\n`)
	return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${samples.join('')}`
}

/** A value that is read when it is asked for. */
export function renderValue(
	name: string,
	help: string,
	type: 'gauge' | 'counter',
	value: number,
	labels: Labels = {},
): string {
	return renderValues(name, help, type, [[labels, value]])
}

function sample(name: string, labels: string, value: number): string {
	return labels === '' ? `${name} ${value}` : `${name}{${labels}} ${value}`
}

function labelText(labels: Labels): string {
	return Object.entries(labels)
		.map(([name, value]) => `${name}="${escapeLabel(value)}"`)
		.join(',')
}

function escapeLabel(value: string): string {
	if (!/[\\"\n]/.test(value)) return value
	return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
