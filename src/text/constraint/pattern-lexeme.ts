import type { Steps } from '../../lib/steps.ts'
import type { Dfa, DfaState } from '../regex/dfa.ts'
import { type Alphabet, BEYOND_ASCII } from './alphabet.ts'
import { allowsNoneBetween, type CountBounds, type Lexeme } from './lexeme.ts'
import { type PatternCosts, patternCosts } from './pattern-costs.ts'
import { isStringContent } from './token-index.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c
/** Escapes of JSON strings: what follows the backslash → the character that it stands for. */
const ESCAPES: ReadonlyMap<number, number> = new Map(
	['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'].map((pair) => [
		pair.charCodeAt(0),
		pair.charCodeAt(1),
	]),
)

/** A text of the automaton's language as it is, or undefined where the vocabulary cannot write one. */
export function* textLexeme(dfa: Dfa, alphabet: Alphabet): Steps<Lexeme | undefined> {
	const anyLength = { min: 0, max: Number.POSITIVE_INFINITY }
	return (yield* Pattern.of(dfa, alphabet, null, anyLength)).start
}

/** The same as a JSON string, quotes included, of so many characters. */
export function* patternLexeme(
	dfa: Dfa,
	alphabet: Alphabet,
	lengths: CountBounds,
): Steps<Lexeme | undefined> {
	if (!alphabet.isSpelled(QUOTE) || lengths.min > lengths.max) return undefined
	const inside = (yield* Pattern.of(dfa, alphabet, END, lengths)).start
	return inside && { ...MIDDLE, nextCost: 1 + inside.nextCost, next: only(QUOTE, inside) }
}

const MIDDLE: Omit<Lexeme, 'nextCost' | 'next'> = {
	accepts: false,
	hasSpelledNext: true,
	unspelledNext: null,
	isStandIn: false,
	contentRoom: 0,
	allowsBetween: allowsNoneBetween,
}

const END: Lexeme = {
	...MIDDLE,
	accepts: true,
	hasSpelledNext: false,
	nextCost: Number.POSITIVE_INFINITY,
	next: () => undefined,
}

function only(codePoint: number, successor: Lexeme): Lexeme['next'] {
	return (read) => (read === codePoint ? successor : undefined)
}

/** How the characters of a class can be written at the least cost. */
interface Spelling {
	readonly cost: number
	/** The only character of a class that no token can write: it is written for the model. */
	readonly unspelled: number | null
}

interface PatternParts {
	readonly dfa: Dfa
	/** Place after a closing quotation mark; null: the text is no JSON string. */
	readonly end: Lexeme | null
	readonly minLength: number
	/** What follows a backslash → the character that it stands for. */
	readonly escapes: ReadonlyMap<number, number>
	readonly spellings: readonly (Spelling | null)[]
	/** Cheapest way to the end of the pattern; from where there is none nothing is a place. */
	readonly costs: PatternCosts
}

class Pattern {
	/** Undefined where no text of the language can be written. */
	readonly start: Lexeme | undefined
	readonly #dfa: Dfa
	readonly #end: Lexeme | null
	readonly #spellings: readonly (Spelling | null)[]
	readonly #costs: PatternCosts
	readonly #minLength: number
	readonly #places = new Map<DfaState, Map<number, Lexeme>>()
	readonly #escapes: ReadonlyMap<number, number>

	private constructor({ dfa, end, minLength, escapes, spellings, costs }: PatternParts) {
		this.#minLength = minLength
		this.#dfa = dfa
		this.#end = end
		this.#escapes = escapes
		this.#spellings = spellings
		this.#costs = costs
		this.start = dfa.start === null ? undefined : this.#place(dfa.start, 0)
	}

	static *of(
		dfa: Dfa,
		alphabet: Alphabet,
		end: Lexeme | null,
		lengths: CountBounds,
	): Steps<Pattern> {
		const isInString = end !== null
		const spelledEscapes = [...ESCAPES].filter(([written]) => alphabet.isSpelled(written))
		const escapes = new Map(isInString && alphabet.isSpelled(BACKSLASH) ? spelledEscapes : [])
		const spellings = spellingsOf(dfa, alphabet, isInString, escapes)
		const classCosts = spellings.map((spelling) => spelling?.cost ?? null)
		const costs = yield* patternCosts(dfa, classCosts, lengths)
		return new Pattern({ dfa, end, minLength: lengths.min, escapes, spellings, costs })
	}

	/** The place after so many characters. */
	#place(state: DfaState, read: number): Lexeme | undefined {
		const count = Math.min(read, this.#costs.countMax)
		if (this.#costs.restOf(state, count) === Number.POSITIVE_INFINITY) return undefined
		let places = this.#places.get(state)
		if (places === undefined) {
			places = new Map()
			this.#places.set(state, places)
		}
		let place = places.get(count)
		if (place === undefined) {
			place = this.#makePlace(state, count)
			places.set(count, place)
		}
		return place
	}

	#makePlace(state: DfaState, count: number): Lexeme {
		const accepts = state.accepts && count >= this.#minLength
		const end = accepts ? this.#end : null
		let nextCost = end === null ? Number.POSITIVE_INFINITY : 1
		let unspelledNext: number | null = null
		let hasSpelledNext = end !== null
		for (const [index, next] of state.next) {
			const spelling = this.#spellings[index]!
			const rest = this.#costs.restOf(next, Math.min(count + 1, this.#costs.countMax))
			if (spelling === null || rest === Number.POSITIVE_INFINITY) continue
			hasSpelledNext ||= spelling.unspelled === null
			const cost = spelling.cost + rest + (this.#end === null ? 0 : 1)
			if (cost >= nextCost) continue
			nextCost = cost
			unspelledNext = spelling.unspelled
		}
		const after = (codePoint: number): Lexeme | undefined => {
			const next = state.next.get(this.#dfa.classOf(codePoint))
			return next && this.#place(next, count + 1)
		}
		const countAfter = Math.min(count + 1, this.#costs.countMax)
		const allowsBetween = (from: number, to: number): boolean =>
			state.next.entries().some(([index, next]) => {
				const ranges = this.#dfa.classes[index]!.ranges
				const isNear = ranges.some(([low, high]) => low <= to && high >= from)
				return isNear && this.#costs.restOf(next, countAfter) < Number.POSITIVE_INFINITY
			})
		const place = { ...MIDDLE, accepts, nextCost, hasSpelledNext, unspelledNext, allowsBetween }
		if (this.#end === null) return { ...place, next: after }
		const escaped: Lexeme = {
			...MIDDLE,
			nextCost,
			next: (codePoint) => {
				const meant = this.#escapes.get(codePoint)
				return meant === undefined ? undefined : after(meant)
			},
		}
		const hasEscape = [...this.#escapes.values()].some((meant) => {
			const next = state.next.get(this.#dfa.classOf(meant))
			return next && this.#costs.restOf(next, countAfter) < Number.POSITIVE_INFINITY
		})
		const next = (codePoint: number): Lexeme | undefined => {
			if (codePoint === QUOTE) return end ?? undefined
			if (codePoint === BACKSLASH) return hasEscape ? escaped : undefined
			return isStringContent(codePoint) ? after(codePoint) : undefined
		}
		return { ...place, accepts: false, next }
	}
}

/** Per class of characters; null: it cannot be written. */
function spellingsOf(
	dfa: Dfa,
	alphabet: Alphabet,
	isInString: boolean,
	escapes: ReadonlyMap<number, number>,
): (Spelling | null)[] {
	const isRaw = (codePoint: number): boolean => !isInString || isStringContent(codePoint)
	const spellings = dfa.classes.map(({ ranges }): Spelling | null => {
		const [from, to] = ranges[0]!
		const isOnly = ranges.length === 1 && from === to && isRaw(from)
		return isOnly ? { cost: alphabet.costOf(from), unspelled: from } : null
	})
	for (const meant of escapes.values()) {
		spellings[dfa.classOf(meant)] = { cost: 2, unspelled: null }
	}
	if (alphabet.spellsBytes) {
		for (const [index, { ranges }] of dfa.classes.entries()) {
			const isBeyondAscii = ranges.some(([, to]) => to >= BEYOND_ASCII)
			if (isBeyondAscii) spellings[index] = { cost: 1, unspelled: null }
		}
	}
	for (const codePoint of alphabet.spelled) {
		if (isRaw(codePoint)) spellings[dfa.classOf(codePoint)] = { cost: 1, unspelled: null }
	}
	return spellings
}
