import type { TokenRow, TokenState, TokenSuccessors } from '../../engine/token-state.ts'
import { assert } from '../../lib/assert.ts'
import { finish, type Steps } from '../../lib/steps.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { Automaton, State } from './automaton.ts'
import { codePointsBehind, isWhole, type PartialBytes } from './partial-bytes.ts'
import { codePointsOf, type TokenIndex, type TokenTrie } from './token-index.ts'

/** A character of string content; which one makes no difference within a string. */
const ANY_CONTENT = 0x61
/** Tokens of a row whose next places are listed; of more the caller says where a text is. */
const SUCCESSOR_COUNT_MAX = 1024
/** Places in the trie of tokens, or places after them, that are looked at in one step. */
const PLACES_PER_STEP = 8
/** Places after one whose rows are made and sent with it. */
const NEAR_COUNT_MAX = 16
/** Bytes, about, of a step that is remembered, and of a state or stack of the automaton. */
const STEP_BYTES = 100
const AUTOMATON_BYTES = 300
/** Bytes of rows that one constraint keeps; beyond them all are made anew. */
const ROW_BYTES_MAX = 32 * 1024 * 1024

export interface TokenStatesOptions {
	readonly automaton: Automaton
	readonly index: TokenIndex
	readonly tokenizer: Tokenizer
	/** Rows of the model's logits: bits of a mask. */
	readonly vocabSize: number
	/** Ids that end a text: allowed exactly where the text is complete. */
	readonly stopTokenIds: readonly number[]
}

/** A place in a text, between two tokens. */
export interface TextState extends TokenState {
	/** The text is valid: it may end here. */
	readonly isComplete: boolean
	/** The text is valid and no token leads on: the generation has to be stopped. */
	readonly isFinished: boolean
}

/** What a token leads to. */
interface Step {
	readonly state: TextState
	/** The token's text with what is written for the model after it. */
	readonly text: string
}

/** A place within a character: what was read before it, and those of its bytes that have come. */
interface Within {
	readonly before: State
	readonly bytes: PartialBytes
}

type Reached = State | Within

function isWithin(reached: Reached): reached is Within {
	return 'before' in reached
}

/** Ids are unique in the process: the engine's worker knows rows by them. */
let lastId = 0

/** Places of one automaton by characters, as places between tokens; made as they are reached, and kept. */
export class TokenStates {
	readonly #options: TokenStatesOptions
	#known = new WeakMap<Reached, Place>()
	/** Places within the next character, by their bytes; each exists once. */
	#within = new WeakMap<State, Map<string, Within>>()
	#bytes = 0

	constructor(options: TokenStatesOptions) {
		this.#options = options
	}

	/** Bytes that are kept, about. */
	get bytes(): number {
		return this.#bytes + this.#options.automaton.size * AUTOMATON_BYTES
	}

	/** The first place, and what is written for the model before its first token. */
	start(): Step {
		return this.#settle(this.#options.automaton.start)
	}

	/** Reads a token that the row of `from` allows, stop ids aside. */
	step(from: TextState, tokenId: number): Step {
		assert(from instanceof Place, 'places come from here')
		let step = from.steps.get(tokenId)
		if (step === undefined) {
			const { automaton } = this.#options
			const read = this.#read(from.at, tokenId)
			assert(read !== null, 'a constrained token is one that the mask allowed')
			const settled = this.#settle(read.reached)
			step = { state: settled.state, text: read.text + settled.text }
			from.steps.set(tokenId, step)
			this.#bytes += STEP_BYTES
			automaton.forget()
		}
		return step
	}

	/** Where a token leads, and the text that it completes; null where it is not allowed. */
	#read(from: Reached, tokenId: number): { reached: Reached; text: string } | null {
		const { automaton, tokenizer, index } = this.#options
		const bytes = index.partial.get(tokenId)
		if (bytes !== undefined) return this.#readBytes(from, bytes)
		const text = tokenizer.tokenText(tokenId)
		if (isWithin(from)) return null
		let state: State = from
		for (const codePoint of codePointsOf(text)) {
			const next = automaton.step(state, codePoint)
			if (next === null) return null
			state = next
		}
		return { reached: state, text }
	}

	#readBytes(from: Reached, more: PartialBytes): { reached: Reached; text: string } | null {
		const { automaton } = this.#options
		const before = isWithin(from) ? from.before : from
		const bytes = isWithin(from) ? [...from.bytes, ...more] : more
		const range = codePointsBehind(bytes)
		if (range === null) return null
		if (isWhole(bytes)) {
			const reached = automaton.step(before, range[0])
			return reached && { reached, text: String.fromCodePoint(range[0]) }
		}
		if (!automaton.allowsBetween(before, range)) return null
		return { reached: this.#withinOf(before, bytes), text: '' }
	}

	#withinOf(before: State, bytes: PartialBytes): Within {
		let known = this.#within.get(before)
		if (known === undefined) {
			known = new Map()
			this.#within.set(before, known)
		}
		const key = bytes.join()
		let within = known.get(key)
		if (within === undefined) {
			within = { before, bytes }
			known.set(key, within)
		}
		return within
	}

	/** What no token can write and is the only way on is written for the model. */
	#settle(reached: Reached): Step {
		if (isWithin(reached)) return { state: this.#placeOf(reached), text: '' }
		const { automaton } = this.#options
		let state = reached
		let text = ''
		for (;;) {
			const codePoint = automaton.unspelledNext(state)
			if (codePoint === null) return { state: this.#placeOf(state), text }
			const next = automaton.step(state, codePoint)
			assert(next !== null, 'a way on can be taken')
			state = next
			text += String.fromCodePoint(codePoint)
		}
	}

	#placeOf(state: Reached): Place {
		let place = this.#known.get(state)
		if (place === undefined) {
			place = new Place(state, (at) => this.#makeRow(at))
			this.#known.set(state, place)
		}
		return place
	}

	*#makeRow(place: Place): Steps<MadeRow> {
		if (this.#bytes > ROW_BYTES_MAX) {
			// Places in use stay valid, but are not found again.
			this.#known = new WeakMap()
			this.#bytes = 0
		}
		const state = place.at
		const { index, vocabSize, stopTokenIds, automaton } = this.#options
		const mask = new Uint32Array(Math.ceil(vocabSize / 32))
		const row = new RowBuilder(mask)
		if (!isWithin(state)) {
			if (state.isWithinString) yield* this.#allowContent(state, row)
			else yield* this.#allow(index.trie, state, row)
		}
		yield* this.#allowBytes(state, row)
		for (const id of stopTokenIds) {
			if (place.isComplete) mask[id >> 5]! |= 1 << (id & 31)
			else mask[id >> 5]! &= ~(1 << (id & 31))
		}
		const settled = new Map<Reached, Place>()
		for (const reached of row.reached) {
			if (settled.has(reached)) continue
			settled.set(reached, this.#settle(reached).state as Place)
			if (settled.size % PLACES_PER_STEP === 0) yield
		}
		const next = row.successors((reached) => settled.get(reached)!.id)
		this.#bytes += mask.byteLength + (next === null ? 0 : 8 * next.tokenIds.length)
		automaton.forget()
		const near = [...new Set(settled.values())].filter((it) => it !== place && !it.isFinished)
		return { row: { mask, next }, near: near.slice(0, NEAR_COUNT_MAX) }
	}

	/** Within a string one character of content is as good as another: tokens are known by their lengths. */
	*#allowContent(state: State, row: RowBuilder): Steps<void> {
		const { automaton, index } = this.#options
		row.mask.set(index.contentMask(state.contentRoom))
		const after: (State | null)[] = [state]
		for (const rest of index.afterContent) {
			const reached = after.at(-1)!
			yield* this.#allow(rest, reached!, row)
			after.push(automaton.step(reached!, ANY_CONTENT))
			if (after.at(-1) === null) break
		}
		if (automaton.step(state, ANY_CONTENT) === state) row.loop = state
		else row.isOpen = true
	}

	/** Tokens that are part of a character. */
	*#allowBytes(from: Reached, row: RowBuilder): Steps<void> {
		let places = 0
		for (const [id, bytes] of this.#options.index.partial) {
			const read = this.#readBytes(from, bytes)
			if (read !== null) row.add(id, read.reached)
			if (++places % PLACES_PER_STEP === 0) yield
		}
	}

	*#allow(root: TokenTrie, from: State, row: RowBuilder): Steps<void> {
		const { automaton } = this.#options
		const open: [node: TokenTrie, state: State][] = [[root, from]]
		let places = 0
		for (let last = open.pop(); last !== undefined; last = open.pop()) {
			const [node, state] = last
			for (const id of node.tokenIds) row.add(id, state)
			for (const [codePoint, child] of node.children) {
				const next = automaton.step(state, codePoint)
				if (next !== null) open.push([child, next])
				if (++places % PLACES_PER_STEP === 0) yield
			}
		}
	}
}

interface MadeRow {
	readonly row: TokenRow
	readonly near: readonly Place[]
}

class Place implements TextState {
	readonly id = ++lastId
	readonly at: Reached
	readonly steps = new Map<number, Step>()
	readonly #make: (place: Place) => Steps<MadeRow>
	#made: MadeRow | null = null

	constructor(at: Reached, make: (place: Place) => Steps<MadeRow>) {
		this.at = at
		this.#make = make
	}

	get isComplete(): boolean {
		return !isWithin(this.at) && this.at.isComplete
	}

	get isFinished(): boolean {
		return !isWithin(this.at) && this.at.isComplete && !this.at.hasSpelledNext
	}

	get row(): TokenRow {
		return this.#now().row
	}

	get near(): readonly TokenState[] {
		return this.#now().near
	}

	*makeRow(): Steps<void> {
		if (this.#made !== null) return
		const made = yield* this.#make(this)
		// Another choice may have been quicker.
		this.#made ??= made
	}

	#now(): MadeRow {
		this.#made ??= finish(this.#make(this))
		return this.#made
	}
}

class RowBuilder {
	readonly mask: Uint32Array
	/** Where tokens that are not added lead, if they all lead to one place. */
	loop: Reached | null = null
	/** Tokens that are not added lead to several places. */
	isOpen = false
	readonly #states = new Map<number, Reached>()

	constructor(mask: Uint32Array) {
		this.mask = mask
	}

	add(tokenId: number, state: Reached): void {
		this.mask[tokenId >> 5]! |= 1 << (tokenId & 31)
		this.#states.set(tokenId, state)
	}

	/** Where listed tokens lead, in the order of their ids and with repetitions. */
	get reached(): Reached[] {
		const loop = this.loop === null ? [] : [this.loop]
		if (!this.#isListed) return loop
		return [...loop, ...Array.from(this.#tokenIds, (id) => this.#states.get(id)!)]
	}

	successors(idOf: (state: Reached) => number): TokenSuccessors | null {
		if (!this.#isListed) return null
		const tokenIds = this.#tokenIds
		const stateIds = tokenIds.map((id) => idOf(this.#states.get(id)!))
		return { tokenIds, stateIds, otherwise: this.loop === null ? 0 : idOf(this.loop) }
	}

	/** Ascending. */
	get #tokenIds(): Int32Array {
		return Int32Array.from(this.#states.keys()).sort()
	}

	get #isListed(): boolean {
		return !this.isOpen && this.#states.size <= SUCCESSOR_COUNT_MAX
	}
}
