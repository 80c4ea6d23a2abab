import { forEachInSteps, type Steps } from '../lib/steps.ts'
import { skipWhiteSpace, trimWhiteSpaceEnd } from './white-space.ts'

/** Tokens that are found in a text before anything else of the tokenizer looks at it. */
export interface AddedToken {
	readonly id: number
	readonly text: string
	/** Controls the model; not part of the texts that come out. */
	readonly isSpecial: boolean
	/** A special one that is part of them all the same. */
	readonly isShown?: boolean
	/** Takes the white space before, or behind, along. */
	readonly stripsLeft: boolean
	readonly stripsRight: boolean
	/** Stands only where no letter, digit or underscore adjoins. */
	readonly isWord: boolean
	/** Is looked for in the normal form of a text, in its own normal form. Default false. */
	readonly isNormalized?: boolean
	/** The model's own vocabulary has it as well. Default false. */
	readonly isModelToken?: boolean
}

/**
 * Ids that a model must not make of ordinary characters: reserved tokens, and those that only exist as added
 * ones.
 */
export function idsBeyondModel(tokens: readonly AddedToken[]): Set<number> {
	const beyond = tokens.filter((token) => token.isSpecial || token.isModelToken !== true)
	return new Set(beyond.map(({ id }) => id))
}

/** A stretch of text between added tokens, or one of them. */
export type Segment = { readonly text: string } | { readonly id: number }

interface Node {
	readonly children: Map<number, Node>
	token: AddedToken | null
}

/**
 * Finds added tokens: the leftmost one, of several that begin there the longest. One walk down a tree
 * of characters per place, so thousands of tokens cost no more than one.
 */
export class AddedTokenFinder {
	readonly #root: Node = { children: new Map(), token: null }

	private constructor() {}

	static *of(tokens: readonly AddedToken[]): Steps<AddedTokenFinder> {
		const finder = new AddedTokenFinder()
		yield* forEachInSteps(tokens, (token) => finder.#add(token))
		return finder
	}

	/** Cuts a text at the tokens in it. */
	segments(text: string): Segment[] {
		if (this.#root.children.size === 0) return text === '' ? [] : [{ text }]
		const segments: Segment[] = []
		let start = 0
		for (let at = 0; at < text.length; ) {
			const token = this.#longestAt(text, at)
			if (token === null) {
				at++
				continue
			}
			const end = at + token.text.length
			const before = text.slice(start, at)
			const kept = token.stripsLeft ? trimWhiteSpaceEnd(before) : before
			if (kept !== '') segments.push({ text: kept })
			segments.push({ id: token.id })
			start = token.stripsRight ? skipWhiteSpace(text, end) : end
			at = start
		}
		if (start < text.length) segments.push({ text: text.slice(start) })
		return segments
	}

	#add(token: AddedToken): void {
		let node = this.#root
		for (let i = 0; i < token.text.length; i++) {
			const unit = token.text.charCodeAt(i)
			let child = node.children.get(unit)
			if (child === undefined) {
				child = { children: new Map(), token: null }
				node.children.set(unit, child)
			}
			node = child
		}
		if (token.text !== '') node.token = token
	}

	#longestAt(text: string, start: number): AddedToken | null {
		let found: AddedToken | null = null
		let node = this.#root
		for (let at = start; at < text.length; at++) {
			const child = node.children.get(text.charCodeAt(at))
			if (child === undefined) break
			node = child
			if (node.token !== null && fits(node.token, text, start)) found = node.token
		}
		return found
	}
}

function fits(token: AddedToken, text: string, start: number): boolean {
	if (!token.isWord) return true
	const end = start + token.text.length
	return !isWordCharacter(text[start - 1]) && !isWordCharacter(text[end])
}

function isWordCharacter(character: string | undefined): boolean {
	return character !== undefined && /[\p{L}\p{N}_]/u.test(character)
}
