import { assert } from '../../lib/assert.ts'
import { type GrammarSymbol, Rule, symbolCost } from './grammar.ts'
import type { Lexeme } from './lexeme.ts'
import type { CodePointRange } from './partial-bytes.ts'

/** Ways to read a text that are followed at once; beyond them the most costly ones are given up. */
const WAY_COUNT_MAX = 256
/** Stacks and states remembered before all but those in use are forgotten. */
const MEMORY_COUNT_MAX = 100_000

/**
 * What is still to come: a symbol and what follows it. Equal stacks are one object, so that a state
 * is known by its stacks.
 */
class Stack {
	readonly id: number
	readonly top: GrammarSymbol | null
	readonly rest: Stack
	/** Cheapest text that empties it. */
	readonly cost: number
	readonly pushed = new Map<GrammarSymbol, Stack>()

	constructor(id: number, top: GrammarSymbol | null, rest: Stack | null) {
		this.id = id
		this.top = top
		this.rest = rest ?? this
		this.cost = rest === null ? 0 : rest.cost + symbolCost(top!)
	}
}

/** A way on: a place in a terminal, to be left by at least one more character, and what follows. */
interface Way {
	readonly stack: Stack
	readonly lexeme: Lexeme
	readonly cost: number
}

/** All that can be known of a text read so far. */
export interface State {
	/** The text may end here. */
	readonly isComplete: boolean
	/** Some token leads on, the stand-in blanks aside. */
	readonly hasSpelledNext: boolean
	/** Characters of plain string content of which any may follow. */
	readonly contentRoom: number
	/** Nothing but plain string content or the end of the string may follow. */
	readonly isWithinString: boolean
	readonly ways: readonly Way[]
	readonly next: Map<number, State | null>
}

/**
 * Reads text character by character against a grammar, all ways at once. Every way that is followed can be
 * completed, so no state is a dead end.
 */
export class Automaton {
	readonly start: State
	readonly #bottom = new Stack(0, null, null)
	readonly #states = new Map<string, State>()
	#stackCount = 1
	#stackCountForgotten = 0

	/** `root` and all that it uses must have been measured. */
	constructor(root: Rule) {
		this.start = this.#close([this.#push(this.#bottom, root)])
	}

	/** The state after a character; null where the grammar does not allow it. */
	step(state: State, codePoint: number): State | null {
		let next = state.next.get(codePoint)
		if (next === undefined) {
			const stacks: Stack[] = []
			for (const { stack, lexeme } of state.ways) {
				const successor = lexeme.next(codePoint)
				if (successor !== undefined) stacks.push(this.#push(stack.rest, successor))
			}
			next = stacks.length === 0 ? null : this.#close(stacks)
			state.next.set(codePoint, next)
		}
		return next
	}

	/** Whether one of these characters, all beyond ASCII, may be the next one. */
	allowsBetween({ ways }: State, [from, to]: CodePointRange): boolean {
		return ways.some(({ lexeme }) => lexeme.allowsBetween(from, to))
	}

	/**
	 * The character that has to be written for the model: the cheapest way on begins with one that no
	 * token can write, and no token tells which way to take. Null where the model can go on itself.
	 */
	unspelledNext(state: State): number | null {
		if (state.isComplete) return null
		const cheapest = state.ways.reduce((a, b) => (b.cost < a.cost ? b : a))
		const { unspelledNext } = cheapest.lexeme
		if (unspelledNext === null || !state.hasSpelledNext) return unspelledNext
		const hasStandIn = state.ways.some(
			({ lexeme, cost }) => lexeme.isStandIn && lexeme.hasSpelledNext && cost <= cheapest.cost + 1,
		)
		return hasStandIn ? null : unspelledNext
	}

	/** Stacks and states that are remembered. */
	get size(): number {
		return this.#states.size + this.#stackCount - this.#stackCountForgotten
	}

	/** Drops what was remembered when it has become much; states in use stay valid. */
	forget(): void {
		if (this.size <= MEMORY_COUNT_MAX) return
		this.#stackCountForgotten = this.#stackCount
		for (const state of this.#states.values()) state.next.clear()
		this.#states.clear()
		this.#bottom.pushed.clear()
	}

	/** The state of the ways that begin with these stacks, rules replaced by what they derive. */
	#close(stacks: readonly Stack[]): State {
		const open = new Set(stacks)
		let ways: Way[] = []
		let isComplete = false
		for (const stack of open) {
			const { top, rest } = stack
			if (top === null) {
				isComplete = true
			} else if (top instanceof Rule) {
				for (const production of top.viableProductions) {
					let pushed = rest
					for (let at = production.length - 1; at >= 0; at--) {
						pushed = this.#push(pushed, production[at]!)
					}
					open.add(pushed)
				}
			} else {
				const cost = top.nextCost + rest.cost
				if (cost < Number.POSITIVE_INFINITY) ways.push({ stack, lexeme: top, cost })
				if (top.accepts) open.add(rest)
			}
		}
		if (ways.length > WAY_COUNT_MAX) {
			ways = ways.sort((a, b) => a.cost - b.cost).slice(0, WAY_COUNT_MAX)
		}
		assert(isComplete || ways.length > 0, 'every way that is followed can be completed')
		const key = `${isComplete} ${ways.map(({ stack }) => stack.id).sort((a, b) => a - b)}`
		let state = this.#states.get(key)
		if (state === undefined) {
			const hasSpelledNext = ways.some(({ lexeme }) => lexeme.hasSpelledNext && !lexeme.isStandIn)
			const rooms = ways.map(({ lexeme }) => lexeme.contentRoom)
			const contentRoom = Math.max(0, ...rooms)
			const isWithinString = rooms.length > 0 && rooms.every((room) => room > 0)
			state = { isComplete, hasSpelledNext, contentRoom, isWithinString, ways, next: new Map() }
			this.#states.set(key, state)
		}
		return state
	}

	#push(rest: Stack, symbol: GrammarSymbol): Stack {
		let stack = rest.pushed.get(symbol)
		if (stack === undefined) {
			stack = new Stack(this.#stackCount++, symbol, rest)
			rest.pushed.set(symbol, stack)
		}
		return stack
	}
}
