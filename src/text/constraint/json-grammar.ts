import { finish, type Steps } from '../../lib/steps.ts'
import type { Dfa } from '../regex/dfa.ts'
import type { Alphabet } from './alphabet.ts'
import { type GrammarSymbol, type Production, Rule } from './grammar.ts'
import { type CountBounds, choiceLexeme, type Lexeme, literalLexeme } from './lexeme.ts'
import { type NumberBounds, numberLexeme } from './number-lexeme.ts'
import { patternLexeme, textLexeme } from './pattern-lexeme.ts'
import { stringLexeme } from './string-lexeme.ts'

/** Nesting of values whose schema says nothing; models like to open brackets for ever. */
const FREE_DEPTH_MAX = 8

/** Members or items that are counted one by one. */
const COUNT_MAX = 64
const ANY_COUNT: CountBounds = { min: 0, max: Number.POSITIVE_INFINITY }
const SCALAR_LITERALS = ['true', 'false', 'null']

export interface ObjectMember {
	readonly key: string
	readonly value: Rule
	readonly isRequired: boolean
}

/** Members of an object whose keys are not listed. */
export interface MapMember {
	/** A JSON string. */
	readonly key: Rule
	readonly value: Rule
}

/**
 * JSON as grammar rules over one alphabet. White space is what no model can loop in: at most one
 * blank after a comma or colon, and where no token can write a separator one in its stead (see
 * `#separator`).
 */
export class JsonGrammar {
	readonly #alphabet: Alphabet
	readonly #gap: Rule
	readonly #comma: GrammarSymbol
	readonly #free: Rule[] = []
	/** Rules of terminals, each made once: schemas repeat them. */
	readonly #terminals = new Map<string, Rule>()
	readonly #patterns = new Map<Dfa, Map<string, Rule>>()
	readonly #keys = new Map<ObjectMember, Lexeme>()

	constructor(alphabet: Alphabet) {
		this.#alphabet = alphabet
		this.#gap = new Rule(() => (alphabet.spells(' ') ? [[], [this.#literal(' ')]] : [[]]))
		this.#comma = this.#separator(',')
	}

	/** The value, then maybe a blank that says a number is over where no end token can. */
	document(value: Rule, hasEndToken: boolean): Rule {
		const hasStandIn = !hasEndToken && this.#alphabet.spells(' ')
		return new Rule(() => (hasStandIn ? [[value], [value, this.#standIn()]] : [[value]]))
	}

	anyOf(alternatives: readonly Rule[]): Rule {
		return new Rule(() => alternatives.map((alternative) => [alternative]))
	}

	/** Rules and texts one after another. */
	sequence(parts: readonly (Rule | string)[]): Rule {
		const symbols = parts.map((part) => (typeof part === 'string' ? this.#literal(part) : part))
		return new Rule(() => [symbols])
	}

	/** A text or nothing; nothing where no token can write it. */
	optional(text: string): Rule {
		return new Rule(() => (this.#alphabet.spells(text) ? [[], [this.#literal(text)]] : [[]]))
	}

	/** 1 to `max` times these parts, with a text between. */
	repeated(parts: readonly (Rule | string)[], between: string, max: number): Rule {
		const once = this.sequence(parts)
		const rest = memoized((count: number): Rule => {
			return new Rule(() => {
				const more = [this.#literal(between), once, rest(count + 1)]
				return count < max ? [[], more] : [[]]
			})
		})
		return new Rule(() => [[once, rest(1)]])
	}

	/** One of these texts of JSON. */
	*constants(texts: readonly string[]): Steps<Rule> {
		return ruleOf(texts.length > 0 ? yield* choiceLexeme(texts, this.#alphabet) : undefined)
	}

	string(lengthMin: number, lengthMax: number): Rule {
		const name = `string ${lengthMin} ${lengthMax}`
		return this.#terminal(name, () => stringLexeme(this.#alphabet, lengthMin, lengthMax))
	}

	/** A string of an automaton's language, of so many characters. */
	*pattern(dfa: Dfa, lengths: CountBounds): Steps<Rule> {
		const rules = this.#patterns.get(dfa) ?? new Map<string, Rule>()
		this.#patterns.set(dfa, rules)
		const name = `${lengths.min} ${lengths.max}`
		const rule = rules.get(name) ?? ruleOf(yield* patternLexeme(dfa, this.#alphabet, lengths))
		rules.set(name, rule)
		return rule
	}

	/** A text of an automaton's language, as it is and not as JSON. */
	*text(dfa: Dfa): Steps<Rule> {
		return ruleOf(yield* textLexeme(dfa, this.#alphabet))
	}

	number(kind: 'integer' | 'number', bounds: NumberBounds): Rule {
		const name = `${kind} ${JSON.stringify(bounds)}`
		return this.#terminal(name, () => numberLexeme(this.#alphabet, kind, bounds))
	}

	/** Any value; deeper ones are scalars from FREE_DEPTH_MAX on. */
	any(depth = 1): Rule {
		let rule = this.#free[depth]
		if (rule === undefined) {
			const scalars = [
				this.string(0, Number.POSITIVE_INFINITY),
				this.number('number', {}),
				finish(this.constants(SCALAR_LITERALS)),
			]
			rule = new Rule(() => {
				const nested =
					depth < FREE_DEPTH_MAX
						? [this.map([this.anyMember(this.any(depth + 1))]), this.array(this.any(depth + 1))]
						: []
				return [...scalars, ...nested].map((value) => [value])
			})
			this.#free[depth] = rule
		}
		return rule
	}

	/** Any key with such a value. */
	anyMember(value: Rule): MapMember {
		return { key: this.string(0, Number.POSITIVE_INFINITY), value }
	}

	/** `[item, item …]`; the first ones may be of their own kinds. */
	array(item: Rule, { min, max } = ANY_COUNT, first: readonly Rule[] = []): Rule {
		if (min > max) return this.anyOf([])
		const close = this.#separator(']')
		const closeCost = this.#alphabet.costOf(0x5d)
		const commaCost = this.#alphabet.costOf(0x2c)
		// After so many items without a maximum it makes no difference how many there were.
		const countMax = Math.max(max === Number.POSITIVE_INFINITY ? min : max, first.length, 1)
		const itemAt = (index: number): Rule => first[index] ?? item
		const tails = new Map<number, Rule>()
		const tail = (wantedCount: number): Rule => {
			const count = Math.min(wantedCount, countMax)
			let rule = tails.get(count)
			if (rule === undefined) {
				const costNow = (): number => {
					if (count >= min) return closeCost
					let cost = closeCost + (min - Math.max(count, 1)) * commaCost
					for (let index = count; index < Math.min(min, first.length); index++) {
						cost += first[index]!.cost
					}
					const rest = min - Math.max(count, first.length)
					return rest > 0 ? cost + rest * item.cost : cost
				}
				const expand = (): Production[] => {
					const before = count === 0 ? [] : [this.#comma, this.#gap]
					const productions: Production[] = count >= min ? [[close]] : []
					if (count < max) productions.push([...before, itemAt(count), tail(count + 1)])
					return productions
				}
				rule = new CountedRule(expand, [this.#comma, this.#gap, ...first, item, close], costNow)
				tails.set(count, rule)
			}
			return rule
		}
		return new Rule(() => [[this.#literal('['), tail(0)]])
	}

	/** An array in which each of these texts of JSON occurs at most once, in this order. */
	distinctConstants(texts: readonly string[], bounds: CountBounds): Rule {
		const close = this.#separator(']')
		const { min, max, next } = countsUpTo(texts.length, bounds)
		const rest = memoized((index: number, count: number): Rule => {
			return new Rule(() => {
				const text = texts[index]
				const productions: Production[] = []
				if (text === undefined || count === max) return count >= min ? [[close]] : []
				const before = count === 0 ? [] : [this.#comma, this.#gap]
				productions.push([...before, this.#literal(text), rest(index + 1, next(count))])
				productions.push([rest(index + 1, count)])
				return productions
			})
		})
		return new Rule(() => [[this.#literal('['), rest(0, 0)]])
	}

	/** An object with these keys, in this order; optional ones may be left out. */
	object(members: readonly ObjectMember[], bounds = ANY_COUNT): Rule {
		const close = this.#separator('}')
		const requiredCount = members.filter(({ isRequired }) => isRequired).length
		const { min, max, next } = countsUpTo(members.length, bounds, requiredCount)
		const rest = memoized((index: number, count: number): Rule => {
			return new Rule(() => {
				const member = members[index]
				if (member === undefined) return count >= min ? [[close]] : []
				const before = count === 0 ? [] : [this.#comma, this.#gap]
				const productions: Production[] = []
				if (count < max) {
					const key = this.#keyOf(member)
					const value = [...before, key, this.#gap, member.value]
					productions.push([...value, rest(index + 1, next(count))])
				}
				if (!member.isRequired) productions.push([rest(index + 1, count)])
				return productions
			})
		})
		return new Rule(() => [[this.#literal('{'), rest(0, 0)]])
	}

	/** An object with any number of members; none where no key can be written. `min` is 0 or 1. */
	map(members: readonly MapMember[], { min, max } = ANY_COUNT): Rule {
		if (!this.#alphabet.spells('"')) return this.anyOf([])
		const close = this.#separator('}')
		const colon = this.#literal(':')
		const each = members.map(({ key, value }): Production => [key, colon, this.#gap, value])
		// Without a maximum only whether there is one makes a difference.
		const countMax = max === Number.POSITIVE_INFINITY ? 1 : max
		const rest = memoized((count: number): Rule => {
			return new Rule(() => {
				const before = count === 0 ? [] : [this.#comma, this.#gap]
				const productions: Production[] = count >= min ? [[close]] : []
				if (count === max) return productions
				const next = rest(Math.min(count + 1, countMax))
				return [...productions, ...each.map((member) => [...before, ...member, next])]
			})
		})
		return new Rule(() => [[this.#literal('{'), rest(0)]])
	}

	/**
	 * A separator. Where no token can write it the text may come to a place at which the model can
	 * go on (one more digit) but not end; a blank, which JSON allows there, is then its way to say
	 * so, and the separator is written for it.
	 */
	#separator(text: string): GrammarSymbol {
		if (this.#alphabet.spells(text) || !this.#alphabet.spells(' ')) return this.#literal(text)
		return new Rule(() => [[this.#literal(text)], [this.#standIn(), this.#literal(text)]])
	}

	#terminal(name: string, make: () => Lexeme | undefined): Rule {
		const rule = this.#terminals.get(name) ?? ruleOf(make())
		this.#terminals.set(name, rule)
		return rule
	}

	/** Made when first needed, which of many members is not all at once. */
	#keyOf(member: ObjectMember): Lexeme {
		const key = this.#keys.get(member) ?? this.#literal(`${JSON.stringify(member.key)}:`)
		this.#keys.set(member, key)
		return key
	}

	#standIn(): Lexeme {
		return literalLexeme(' ', this.#alphabet, true)
	}

	#literal(text: string): Lexeme {
		return literalLexeme(text, this.#alphabet)
	}
}

/** A rule of a counted repetition, whose cost has a closed form: counts may be huge. */
class CountedRule extends Rule {
	readonly #costNow: () => number
	readonly #parts: Production

	/** `parts`: what any of the repetition's rules derives. */
	constructor(expand: () => readonly Production[], parts: Production, costNow: () => number) {
		super(expand)
		this.#parts = parts
		this.#costNow = costNow
		// Those of higher counts are made when all costs are known.
		this.cost = costNow()
	}

	override measure(): number {
		return this.#costNow()
	}

	override get uses(): readonly Rule[] {
		return this.#parts.filter((symbol) => symbol instanceof Rule)
	}
}

/**
 * Bounds for `length` things of which each may be taken, and the count after one more: beyond what can
 * matter they are all the same. With a maximum that matters no more than COUNT_MAX are taken.
 */
function countsUpTo(length: number, { min, max }: CountBounds, requiredCount = 0) {
	if (max >= length) {
		const last = Math.max(min, 1)
		return { min, max: length + 1, next: (count: number) => Math.min(count + 1, last) }
	}
	const most = Math.min(max, Math.max(min, requiredCount, COUNT_MAX))
	return { min, max: most, next: (count: number) => count + 1 }
}

/** Rules by small numbers, each made once. */
function memoized<Numbers extends number[]>(make: (...numbers: Numbers) => Rule) {
	const known = new Map<string, Rule>()
	return (...numbers: Numbers): Rule => {
		const name = numbers.join(' ')
		let rule = known.get(name)
		if (rule === undefined) {
			rule = make(...numbers)
			known.set(name, rule)
		}
		return rule
	}
}

function ruleOf(lexeme: Lexeme | undefined): Rule {
	return new Rule(() => (lexeme === undefined ? [] : [[lexeme]]))
}
