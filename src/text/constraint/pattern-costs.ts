import type { Steps } from '../../lib/steps.ts'
import type { Dfa, DfaState } from '../regex/dfa.ts'
import type { CountBounds } from './lexeme.ts'

/** Entries of the table of lengths: states times characters. Strings that would need more are shorter. */
const TABLE_SIZE_MAX = 2 ** 18

/** Cost of a character of each class; null: it cannot be written. */
export type ClassCosts = readonly (number | null)[]

/** What the rest of a text costs at least. */
export interface PatternCosts {
	/** From a state after so many characters to the end; Infinity: there is no way. */
	restOf(state: DfaState, count: number): number
	/** Counts beyond this one make no difference. */
	readonly countMax: number
}

/** Costs of texts of a language, of so many characters. */
export function* patternCosts(
	dfa: Dfa,
	costs: ClassCosts,
	{ min, max }: CountBounds,
): Steps<PatternCosts> {
	if (min === 0 && max === Number.POSITIVE_INFINITY) return yield* costsOfAnyLength(dfa, costs)
	const room = Math.floor(TABLE_SIZE_MAX / dfa.states.length)
	const hasMax = max < Number.POSITIVE_INFINITY
	// Without a maximum: where some length from `min` on is possible, one of these is.
	const longest = Math.min(hasMax ? max : min + dfa.states.length, room)
	const table = yield* costsByLength(dfa, costs, longest)
	const indexes = new Map(dfa.states.map((state, index) => [state, index]))
	const restOf = (state: DfaState, count: number): number => {
		const index = indexes.get(state)!
		let cheapest = Number.POSITIVE_INFINITY
		const most = hasMax ? longest - count : longest
		for (let length = Math.max(0, min - count); length <= most && length < cheapest; length++) {
			cheapest = Math.min(cheapest, table[length]![index]!)
		}
		return cheapest
	}
	return { restOf, countMax: hasMax ? longest + 1 : min }
}

/** Entry [length][state]: cheapest text of exactly this length that leads to the end. */
function* costsByLength(dfa: Dfa, costs: ClassCosts, longest: number): Steps<Float64Array[]> {
	const indexes = new Map(dfa.states.map((state, index) => [state, index]))
	const steps: [next: number, cost: number][][] = []
	for (const state of dfa.states) {
		steps.push(cheapestSteps(state, costs, indexes))
		yield
	}
	const table = [Float64Array.from(dfa.states, ({ accepts }) => (accepts ? 0 : Infinity))]
	for (let length = 1; length <= longest; length++) {
		const shorter = table[length - 1]!
		table.push(
			Float64Array.from(steps, (ways) => {
				let cheapest = Number.POSITIVE_INFINITY
				for (const [next, cost] of ways) cheapest = Math.min(cheapest, cost + shorter[next]!)
				return cheapest
			}),
		)
		yield
	}
	return table
}

/** Neighbours with the cost of the cheapest character that leads there. */
function cheapestSteps(
	state: DfaState,
	costs: ClassCosts,
	indexes: ReadonlyMap<DfaState, number>,
): [next: number, cost: number][] {
	const steps = new Map<number, number>()
	for (const [charClass, next] of state.next) {
		const cost = costs[charClass] ?? null
		const index = indexes.get(next)!
		if (cost !== null) steps.set(index, Math.min(cost, steps.get(index) ?? cost))
	}
	return [...steps]
}

/** By breadth, cheapest first. */
function* costsOfAnyLength(dfa: Dfa, costs: ClassCosts): Steps<PatternCosts> {
	const users = new Map<DfaState, [DfaState, number][]>(dfa.states.map((state) => [state, []]))
	for (const state of dfa.states) {
		for (const [charClass, next] of state.next) {
			const cost = costs[charClass] ?? null
			if (cost !== null) users.get(next)!.push([state, cost])
		}
		yield
	}
	const rests = new Map<DfaState, number>()
	const byCost: DfaState[][] = [dfa.states.filter(({ accepts }) => accepts)]
	for (let cost = 0; cost < byCost.length; cost++) {
		for (const state of byCost[cost] ?? []) {
			if (rests.has(state)) continue
			rests.set(state, cost)
			for (const [user, step] of users.get(state)!) {
				byCost[cost + step] ??= []
				byCost[cost + step]!.push(user)
			}
			yield
		}
	}
	return { restOf: (state) => rests.get(state) ?? Number.POSITIVE_INFINITY, countMax: 0 }
}
