/**
 * Constrained decoding: which tokens may come next so that the text ends as what was asked for: JSON
 * that is valid against a schema, a match of a pattern, one of several texts.
 *
 * A schema becomes grammar rules (`json-grammar.ts`) over terminals (`*-lexeme.ts`); the automaton
 * reads the text character by character; masks come from walking the vocabulary's trie beside it.
 *
 * Every way that is kept can be completed with this vocabulary. A character of JSON's syntax, a key
 * or a constant that no single token can write is *written for the model* as soon as it is the only
 * way on: the model does not read it, just as characters that its vocabulary lacks are skipped when
 * it reads a prompt. So a model that never saw a brace still answers with objects. Where the model
 * could also go on but not say that it wants to end (digits before a `}` that it cannot write), a
 * blank says so. Contents of strings and numbers are never written for it: without a quotation mark
 * or one of the digits schemas that need these are refused.
 */
import { assert } from '../../lib/assert.ts'
import type { IncrementalDecoder, Tokenizer } from '../../tokenizer/tokenizer.ts'
import { Alphabet } from './alphabet.ts'
import { Automaton, type State } from './automaton.ts'
import { ConstraintError } from './constraint-error.ts'
import { measureRules, type Rule } from './grammar.ts'
import { JsonGrammar } from './json-grammar.ts'
import { compileSchema } from './json-schema.ts'
import { matchDfa } from './schema-strings.ts'
import { codePointsOf, TokenIndex, type TokenTrie } from './token-index.ts'

/** UTF-16 units of all choices. */
const CHOICES_LENGTH_MAX = 2 ** 16
/** A character of string content; which one makes no difference within a string. */
const ANY_CONTENT = 0x61

export interface ConstraintOptions {
	/** Rows of the model's logits: bits of a mask. */
	readonly vocabSize: number
	/** Ids that end a text: allowed exactly where the text is complete. */
	readonly stopTokenIds: readonly number[]
}

/** What a text is held to. */
export type ConstraintSpec =
	/** JSON that is valid against a JSON Schema. */
	| { readonly kind: 'schema'; readonly schema: unknown }
	/** A text that matches a regular expression as a whole. */
	| { readonly kind: 'regex'; readonly pattern: string }
	/** One of these texts, none of them empty. */
	| { readonly kind: 'choice'; readonly choices: readonly string[] }
	/** Calls of functions: a JSON array of 1 to `countMax` objects with `name` and `arguments`. */
	| {
			readonly kind: 'calls'
			readonly functions: readonly CallableFunction[]
			readonly countMax: number
	  }

export interface CallableFunction {
	readonly name: string
	/** JSON Schema of the arguments. */
	readonly parameters: unknown
}

/** Compiled for one tokenizer; serves any number of texts. */
export interface Constraint {
	start(): ConstraintSession
}

/**
 * Throws ConstraintError when there is no such thing as is asked for, when it is beyond what can be
 * enforced, or when this vocabulary can write no such text.
 */
export function compileConstraint(
	spec: ConstraintSpec,
	tokenizer: Tokenizer,
	options: ConstraintOptions,
): Constraint {
	if (tokenizer.spec.type === 'word') {
		const message = 'a model with a word tokenizer cannot be held to a format'
		throw new ConstraintError('unsupported_value', message)
	}
	const index = tokenIndexOf(tokenizer)
	const alphabet = new Alphabet(index, options.stopTokenIds)
	const root = rootOf(spec, new JsonGrammar(alphabet), options)
	measureRules(root)
	if (root.cost === Number.POSITIVE_INFINITY) {
		throw new ConstraintError('unsupported_value', unwritableMessage(spec.kind, alphabet))
	}
	const automaton = new Automaton(root)
	const shared = { automaton, index, tokenizer, options, masks: new WeakMap<State, Uint32Array>() }
	return { start: () => new ConstraintSession(shared) }
}

function rootOf(spec: ConstraintSpec, grammar: JsonGrammar, options: ConstraintOptions): Rule {
	const hasEndToken = options.stopTokenIds.length > 0
	switch (spec.kind) {
		case 'schema':
			return grammar.document(compileSchema(spec.schema, grammar), hasEndToken)
		case 'regex':
			return grammar.text(matchDfa(spec.pattern, '#'))
		case 'choice': {
			const length = spec.choices.reduce((sum, choice) => sum + choice.length, 0)
			if (length > CHOICES_LENGTH_MAX) {
				const message = `choices: at most ${CHOICES_LENGTH_MAX} characters can be enforced`
				throw new ConstraintError('unsupported_value', message)
			}
			return grammar.constants(spec.choices)
		}
		case 'calls': {
			const calls = spec.functions.map(({ name, parameters }) =>
				grammar.object([
					{ key: 'name', value: grammar.constants([JSON.stringify(name)]), isRequired: true },
					{ key: 'arguments', value: compileSchema(parameters, grammar), isRequired: true },
				]),
			)
			const list = grammar.array(grammar.anyOf(calls), { min: 1, max: spec.countMax })
			return grammar.document(list, hasEndToken)
		}
	}
}

/** Made once per tokenizer: it takes milliseconds and does not depend on the schema. */
const tokenIndexes = new WeakMap<Tokenizer, TokenIndex>()

function tokenIndexOf(tokenizer: Tokenizer): TokenIndex {
	let index = tokenIndexes.get(tokenizer)
	if (index === undefined) {
		index = new TokenIndex(tokenizer)
		tokenIndexes.set(tokenizer, index)
	}
	return index
}

function unwritableMessage(kind: ConstraintSpec['kind'], alphabet: Alphabet): string {
	if (kind === 'regex') return 'no text can match the pattern in the writing of this model'
	if (kind === 'choice') return 'this model cannot write any of the choices'

	const missing = [...'"0123456789'].filter((character) => !alphabet.spells(character))
	const reason =
		missing.length === 0 ? '' : `; its vocabulary lacks ${missing.join(' ')} for strings or numbers`
	return `schema: no value can satisfy it in the writing of this model${reason}`
}

interface Shared {
	readonly automaton: Automaton
	readonly index: TokenIndex
	readonly tokenizer: Tokenizer
	readonly options: ConstraintOptions
	readonly masks: WeakMap<State, Uint32Array>
}

/**
 * One text under a constraint. A decoder as well: its pieces are the tokens' texts with what is
 * written for the model. Before each draw the caller asks `isFinished`, then `mask`.
 */
export class ConstraintSession implements IncrementalDecoder {
	readonly isAfterWord = false
	readonly #shared: Shared
	#state: State
	/** Text that is written before the first token. */
	#opening: string

	constructor(shared: Shared) {
		this.#shared = shared
		this.#state = shared.automaton.start
		this.#opening = this.#writeUnspelled()
	}

	/** The text is a valid value: it may end here. */
	get isComplete(): boolean {
		return this.#state.isComplete
	}

	/** The text is a valid value and no token leads on: the generation has to be stopped. */
	get isFinished(): boolean {
		return this.#state.isComplete && !this.#state.hasSpelledNext
	}

	/**
	 * Tokens that may come next: bit i of word i >> 5, at least one unless `isFinished`. Stop ids are
	 * among them when the text is complete. Shared: not to be changed.
	 */
	mask(): Uint32Array {
		const { masks } = this.#shared
		let mask = masks.get(this.#state)
		if (mask === undefined) {
			mask = this.#makeMask(this.#state)
			masks.set(this.#state, mask)
		}
		return mask
	}

	/** Reads a token that the mask allowed, stop ids aside; its text with what must follow it. */
	push(tokenId: number): string {
		const { automaton, tokenizer } = this.#shared
		const tokenText = tokenizer.tokenText(tokenId)
		for (const codePoint of codePointsOf(tokenText)) {
			const next = automaton.step(this.#state, codePoint)
			assert(next !== null, 'a constrained token is one that the mask allowed')
			this.#state = next
		}
		const text = this.#opening + tokenText + this.#writeUnspelled()
		this.#opening = ''
		automaton.forget()
		return text
	}

	/** What was written where no token came. */
	flush(): string {
		const text = this.#opening
		this.#opening = ''
		return text
	}

	#writeUnspelled(): string {
		const { automaton } = this.#shared
		let text = ''
		for (;;) {
			const codePoint = automaton.unspelledNext(this.#state)
			if (codePoint === null) return text
			const next = automaton.step(this.#state, codePoint)
			assert(next !== null, 'a way on can be taken')
			this.#state = next
			text += String.fromCodePoint(codePoint)
		}
	}

	#makeMask(state: State): Uint32Array {
		const { automaton, index, options } = this.#shared
		const mask = new Uint32Array(Math.ceil(options.vocabSize / 32))
		if (state.isWithinString) {
			mask.set(index.contentMask(state.contentRoom))
			let after: State | null = state
			for (const rest of index.afterContent) {
				this.#allow(rest, after, mask)
				after = automaton.step(after, ANY_CONTENT)
				if (after === null) break
			}
		} else {
			this.#allow(index.trie, state, mask)
		}
		for (const id of options.stopTokenIds) {
			if (state.isComplete) mask[id >> 5]! |= 1 << (id & 31)
			else mask[id >> 5]! &= ~(1 << (id & 31))
		}
		return mask
	}

	#allow(node: TokenTrie, state: State, mask: Uint32Array): void {
		for (const id of node.tokenIds) mask[id >> 5]! |= 1 << (id & 31)
		for (const [codePoint, child] of node.children) {
			const next = this.#shared.automaton.step(state, codePoint)
			if (next !== null) this.#allow(child, next, mask)
		}
	}
}
