import type { Steps } from '../../lib/steps.ts'
import type { CharSet } from './char-set.ts'
import { classesOf, type Language, type Languages } from './language.ts'
import { RegexError } from './regex-error.ts'

/** States of one automaton. */
const STATE_COUNT_MAX = 2048

/** A place in a text. The end of the language can be reached from every one. */
export interface DfaState {
	/** The text may end here. */
	readonly accepts: boolean
	/** By class of characters. */
	readonly next: ReadonlyMap<number, DfaState>
}

/** A deterministic automaton of a language. */
export interface Dfa {
	/** Null: the language has no text. */
	readonly start: DfaState | null
	/** Every state, in the order in which they are met. */
	readonly states: readonly DfaState[]
	/** Sets of characters that the automaton does not tell apart. */
	readonly classes: readonly CharSet[]
	classOf(codePoint: number): number
}

interface State extends DfaState {
	readonly next: Map<number, State>
}

/** Makes it in steps; throws RegexError where it would have too many states. */
export function* dfaOf(language: Language, languages: Languages): Steps<Dfa> {
	const classes = classesOf(languages.charSets)
	const samples = classes.map(({ ranges }) => ranges[0]![0])
	const states = new Map<Language, State>()
	const add = (met: Language): State => {
		const state = { accepts: met.hasEmpty, next: new Map() }
		if (states.size === STATE_COUNT_MAX) {
			throw new RegexError('unsupported', `leads to more than ${STATE_COUNT_MAX} states`)
		}
		states.set(met, state)
		return state
	}
	const start = add(language)
	for (const [from, state] of states) {
		for (const [index, sample] of samples.entries()) {
			const to = languages.derivative(from, sample)
			if (to !== languages.none) state.next.set(index, states.get(to) ?? add(to))
			yield
		}
	}
	const alive = removeDeadEnds([...states.values()])
	const classOf = classFinder(classes)
	return { start: alive.has(start) ? start : null, states: [...alive], classes, classOf }
}

/** Whether the automaton reads the whole text. */
export function matches(dfa: Dfa, text: string): boolean {
	let state = dfa.start ?? undefined
	for (const char of text) state = state?.next.get(dfa.classOf(char.codePointAt(0)!))
	return state?.accepts ?? false
}

/** States from which the end can be reached; those that cannot are taken out of their neighbours. */
function removeDeadEnds(states: readonly State[]): Set<State> {
	const users = new Map<State, State[]>(states.map((state) => [state, []]))
	for (const state of states) for (const next of state.next.values()) users.get(next)!.push(state)
	const reaching = new Set(states.filter(({ accepts }) => accepts))
	for (const state of reaching) for (const user of users.get(state)!) reaching.add(user)
	for (const state of reaching) {
		for (const [index, next] of state.next) if (!reaching.has(next)) state.next.delete(index)
	}
	return new Set(states.filter((state) => reaching.has(state)))
}

function classFinder(classes: readonly CharSet[]): (codePoint: number) => number {
	const ranges = classes
		.flatMap(({ ranges }, index) => ranges.map(([from]) => [from, index] as const))
		.sort((a, b) => a[0] - b[0])
	const starts = ranges.map(([from]) => from)
	return (codePoint) => {
		let [low, high] = [0, starts.length - 1]
		while (low < high) {
			const middle = (low + high + 1) >> 1
			if (starts[middle]! <= codePoint) low = middle
			else high = middle - 1
		}
		return ranges[low]![1]
	}
}
