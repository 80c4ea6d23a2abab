import { finish, type Steps } from '../../lib/steps.ts'
import type { Alphabet } from './alphabet.ts'
import { codePointsOf } from './token-index.ts'

/** How many characters, items or members there may be. */
export interface CountBounds {
	readonly min: number
	/** Maybe Infinity. */
	readonly max: number
}

/**
 * A place within a terminal of the grammar (a literal, a string, a number): an automaton's state.
 * Only places from which the terminal's end can be reached exist.
 */
export interface Lexeme {
	/** The terminal may end here. */
	readonly accepts: boolean
	/** Cheapest way from here to the end that takes at least one character; Infinity: none. */
	readonly nextCost: number
	/** Some single-character token leads on. */
	readonly hasSpelledNext: boolean
	/** The first character of the cheapest way on when no token can write it, else null. */
	readonly unspelledNext: number | null
	/** A blank that only announces a separator which no token can write. */
	readonly isStandIn: boolean
	/** Characters of plain string content of which any may follow here. */
	readonly contentRoom: number
	/** The place after a character, undefined where the terminal does not allow it. */
	next(codePoint: number): Lexeme | undefined
	/** Whether one of these characters, all beyond ASCII, may be the next one. */
	allowsBetween(from: number, to: number): boolean
}

/** Of terminals that are all ASCII. */
export const allowsNoneBetween = (): boolean => false

/** One of several fixed texts: a node of their trie. */
class LiteralLexeme implements Lexeme {
	accepts = false
	nextCost = Number.POSITIVE_INFINITY
	hasSpelledNext = false
	unspelledNext: number | null = null
	readonly isStandIn: boolean
	readonly contentRoom = 0
	readonly children = new Map<number, LiteralLexeme>()

	constructor(isStandIn: boolean) {
		this.isStandIn = isStandIn
	}

	next(codePoint: number): LiteralLexeme | undefined {
		return this.children.get(codePoint)
	}

	allowsBetween(from: number, to: number): boolean {
		return this.children.keys().some((codePoint) => codePoint >= from && codePoint <= to)
	}
}

/** The start of a terminal that is this text, which is not empty. */
export function literalLexeme(text: string, alphabet: Alphabet, isStandIn = false): Lexeme {
	return finish(choiceLexeme([text], alphabet, isStandIn))
}

/** Work on this many characters or places makes a step. */
const PLACES_PER_STEP = 256

/** The start of a terminal that is one of `texts`, none of them empty. Made in steps. */
export function* choiceLexeme(
	texts: Iterable<string>,
	alphabet: Alphabet,
	isStandIn = false,
): Steps<Lexeme> {
	const root = new LiteralLexeme(isStandIn)
	const nodes = [root]
	for (const text of texts) {
		let node = root
		for (const codePoint of codePointsOf(text)) {
			let child = node.children.get(codePoint)
			if (child === undefined) {
				child = new LiteralLexeme(isStandIn)
				node.children.set(codePoint, child)
				nodes.push(child)
				if (nodes.length % PLACES_PER_STEP === 0) yield
			}
			node = child
		}
		node.accepts = true
	}
	// Children come after their parents, so that from the end each node finds theirs measured.
	for (let index = nodes.length - 1; index >= 0; index--) {
		if (index % PLACES_PER_STEP === 0) yield
		const node = nodes[index]!
		for (const [codePoint, child] of node.children) {
			const cost = alphabet.costOf(codePoint) + lexemeCost(child)
			const isSpelled = alphabet.isSpelled(codePoint)
			if (isSpelled) node.hasSpelledNext = true
			if (cost >= node.nextCost) continue
			node.nextCost = cost
			node.unspelledNext = isSpelled ? null : codePoint
		}
	}
	return root
}

/** Cheapest way to the end, which may be nothing. */
export function lexemeCost(lexeme: Lexeme): number {
	return lexeme.accepts ? 0 : lexeme.nextCost
}
