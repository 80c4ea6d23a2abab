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
import type { TokenState } from '../../engine/token-state.ts'
import { inSlices, type Steps } from '../../lib/steps.ts'
import type { IncrementalDecoder, Tokenizer } from '../../tokenizer/tokenizer.ts'
import { PATTERN_LENGTH_MAX } from '../regex/parse-regex.ts'
import { type CallFormat, CLOSE_TAG, OPEN_TAG } from '../tool-call-parser.ts'
import { Alphabet } from './alphabet.ts'
import { Automaton } from './automaton.ts'
import { ConstraintCache } from './constraint-cache.ts'
import { ConstraintError } from './constraint-error.ts'
import { measureRules, type Rule } from './grammar.ts'
import { JsonGrammar } from './json-grammar.ts'
import { compileSchema } from './json-schema.ts'
import { checkSchemaSize } from './schema-size.ts'
import { matchDfa } from './schema-strings.ts'
import { TokenIndex } from './token-index.ts'
import { type TextState, TokenStates } from './token-states.ts'

/** UTF-16 units of all choices. */
const CHOICES_LENGTH_MAX = 2 ** 16
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
	/**
	 * Calls of functions, 1 to `countMax`, behind the mark with which a template's format begins
	 * (`callMark`). Without a format they are a JSON array of objects with `name` and `arguments`.
	 */
	| {
			readonly kind: 'calls'
			readonly functions: readonly CallableFunction[]
			readonly countMax: number
			readonly format: CallFormat | null
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
 * Rejects with ConstraintError when there is no such thing as is asked for, when it is beyond what can be
 * enforced, or when this vocabulary can write no such text. Works in slices.
 */
export async function compileConstraint(
	spec: ConstraintSpec,
	tokenizer: Tokenizer,
	options: ConstraintOptions,
): Promise<Constraint> {
	checkSize(spec)
	return await compiled.get(tokenizer, JSON.stringify([spec, options]), () =>
		inSlices(constraintSteps(spec, tokenizer, options)),
	)
}

/** Clients ask for the same format again and again, and a constraint that was used knows its masks. */
const compiled = new ConstraintCache<Tokenizer, CompiledConstraint>()

interface CompiledConstraint extends Constraint {
	/** Bytes that it keeps, about. */
	readonly bytes: number
}

/** Refuses what is too large, before anything looks at all of it. */
function checkSize(spec: ConstraintSpec): void {
	switch (spec.kind) {
		case 'schema':
			checkSchemaSize(spec.schema)
			return
		case 'regex':
			if (spec.pattern.length <= PATTERN_LENGTH_MAX) return
			throw tooLong('a pattern', PATTERN_LENGTH_MAX)
		case 'choice': {
			const length = spec.choices.reduce((sum, choice) => sum + choice.length, 0)
			if (length > CHOICES_LENGTH_MAX) throw tooLong('choices', CHOICES_LENGTH_MAX)
			return
		}
		case 'calls':
			for (const { parameters } of spec.functions) checkSchemaSize(parameters)
			return
	}
}

function tooLong(what: string, limit: number): ConstraintError {
	const message = `${what} of at most ${limit} characters can be enforced`
	return new ConstraintError('unsupported_value', message)
}

/** Makes it anew, in steps. */
export function* constraintSteps(
	spec: ConstraintSpec,
	tokenizer: Tokenizer,
	options: ConstraintOptions,
): Steps<CompiledConstraint> {
	checkSize(spec)
	if (tokenizer.spec.type === 'word') {
		const message = 'a model with a word tokenizer cannot be held to a format'
		throw new ConstraintError('unsupported_value', message)
	}
	const index = yield* tokenIndexOf(tokenizer)
	const alphabet = new Alphabet(index, options.stopTokenIds)
	const root = yield* rootOf(spec, new JsonGrammar(alphabet), options)
	yield* measureRules(root)
	if (root.cost === Number.POSITIVE_INFINITY) {
		throw new ConstraintError('unsupported_value', unwritableMessage(spec.kind, alphabet))
	}
	const automaton = new Automaton(root)
	const states = new TokenStates({ automaton, index, tokenizer, ...options })
	return {
		start: () => new ConstraintSession(states),
		get bytes() {
			return states.bytes
		},
	}
}

function* rootOf(
	spec: ConstraintSpec,
	grammar: JsonGrammar,
	options: ConstraintOptions,
): Steps<Rule> {
	const hasEndToken = options.stopTokenIds.length > 0
	switch (spec.kind) {
		case 'schema':
			return grammar.document(yield* compileSchema(spec.schema, grammar), hasEndToken)
		case 'regex':
			return yield* grammar.text(yield* matchDfa(spec.pattern, '#'))
		case 'choice':
			return yield* grammar.constants(spec.choices)
		case 'calls': {
			const calls: Rule[] = []
			const argumentsKey = spec.format === 'object' ? 'parameters' : 'arguments'
			for (const { name, parameters } of spec.functions) {
				const nameRule = yield* grammar.constants([JSON.stringify(name)])
				const value = yield* compileSchema(parameters, grammar)
				const call = [
					{ key: 'name', value: nameRule, isRequired: true },
					{ key: argumentsKey, value, isRequired: true },
				]
				calls.push(grammar.object(call))
			}
			return grammar.document(callText(grammar.anyOf(calls), spec, grammar), hasEndToken)
		}
	}
}

/** Calls as a format writes them behind its mark. */
function callText(
	call: Rule,
	{ format, countMax }: ConstraintSpec & { kind: 'calls' },
	grammar: JsonGrammar,
): Rule {
	if (format === 'object') return call
	if (format !== 'tags') {
		const list = grammar.array(call, { min: 1, max: countMax })
		return format === null ? list : grammar.sequence([grammar.optional(' '), list])
	}
	return grammar.repeated([`\n`, call, `\n${CLOSE_TAG}`], `\n${OPEN_TAG}`, countMax)
}

/** Kept for each tokenizer: they do not depend on the schema. */
const tokenIndexes = new WeakMap<Tokenizer, TokenIndex>()

function* tokenIndexOf(tokenizer: Tokenizer): Steps<TokenIndex> {
	const index = tokenIndexes.get(tokenizer) ?? (yield* TokenIndex.of(tokenizer))
	tokenIndexes.set(tokenizer, index)
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

/**
 * One text under a constraint. A decoder as well: its pieces are the tokens' texts with what is
 * written for the model. Before each draw the caller asks `isFinished`, then `state`.
 */
export class ConstraintSession implements IncrementalDecoder {
	readonly isAfterWord = false
	readonly #states: TokenStates
	#state: TextState
	/** Text that is written before the first token. */
	#opening: string

	constructor(states: TokenStates) {
		const { state, text } = states.start()
		this.#states = states
		this.#state = state
		this.#opening = text
	}

	/** Where the text is: which tokens may come next, at least one unless `isFinished`. */
	get state(): TokenState {
		return this.#state
	}

	/** The text is valid: it may end here. */
	get isComplete(): boolean {
		return this.#state.isComplete
	}

	/** The text is valid and no token leads on: the generation has to be stopped. */
	get isFinished(): boolean {
		return this.#state.isFinished
	}

	/** Reads a token that the mask allowed, stop ids aside; its text with what must follow it. */
	push(tokenId: number): string {
		const { state, text } = this.#states.step(this.#state, tokenId)
		const read = this.#opening + text
		this.#state = state
		this.#opening = ''
		return read
	}

	/** What was written where no token came. */
	flush(): string {
		const text = this.#opening
		this.#opening = ''
		return text
	}
}
