import type { Alphabet } from './alphabet.ts'
import { type GrammarSymbol, type Production, Rule } from './grammar.ts'
import { type Lexeme, literalLexeme } from './lexeme.ts'
import { type NumberBounds, numberLexeme } from './number-lexeme.ts'
import { stringLexeme } from './string-lexeme.ts'

/** Nesting of values whose schema says nothing; models like to open brackets for ever. */
const FREE_DEPTH_MAX = 8

const SCALAR_LITERALS = ['true', 'false', 'null']

export interface ObjectMember {
	readonly key: string
	readonly value: Rule
	readonly isRequired: boolean
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

	/** One of these texts of JSON. */
	constants(texts: readonly string[]): Rule {
		const lexeme = texts.length > 0 ? literalLexeme(texts, this.#alphabet) : undefined
		return ruleOf(lexeme)
	}

	string(lengthMin: number, lengthMax: number): Rule {
		return ruleOf(stringLexeme(this.#alphabet, lengthMin, lengthMax))
	}

	number(kind: 'integer' | 'number', bounds: NumberBounds): Rule {
		return ruleOf(numberLexeme(this.#alphabet, kind, bounds))
	}

	/** Any value; deeper ones are scalars from FREE_DEPTH_MAX on. */
	any(depth = 1): Rule {
		let rule = this.#free[depth]
		if (rule === undefined) {
			const scalars = [
				this.string(0, Number.POSITIVE_INFINITY),
				this.number('number', {}),
				this.constants(SCALAR_LITERALS),
			]
			rule = new Rule(() => {
				const nested =
					depth < FREE_DEPTH_MAX
						? [this.map(this.any(depth + 1)), this.array(this.any(depth + 1), 0)]
						: []
				return [...scalars, ...nested].map((value) => [value])
			})
			this.#free[depth] = rule
		}
		return rule
	}

	/** `[item, item …]` with `lengthMin` to `lengthMax` items. */
	array(item: Rule, lengthMin: number, lengthMax = Number.POSITIVE_INFINITY): Rule {
		if (lengthMin > lengthMax) return this.anyOf([])
		const close = this.#separator(']')
		const closeCost = this.#alphabet.costOf(0x5d)
		const commaCost = this.#alphabet.costOf(0x2c)
		// After so many items without a maximum it makes no difference how many there were.
		const countMax = lengthMax === Number.POSITIVE_INFINITY ? Math.max(lengthMin, 1) : lengthMax
		const tails = new Map<number, Rule>()
		const tail = (wantedCount: number): Rule => {
			const count = Math.min(wantedCount, countMax)
			let rule = tails.get(count)
			if (rule === undefined) {
				const costNow = (): number => {
					if (count >= lengthMin) return closeCost
					const commas = lengthMin - Math.max(count, 1)
					return (lengthMin - count) * item.cost + commas * commaCost + closeCost
				}
				const expand = (): Production[] => {
					const before = count === 0 ? [] : [this.#comma, this.#gap]
					const productions: Production[] = count >= lengthMin ? [[close]] : []
					if (count < lengthMax) productions.push([...before, item, tail(count + 1)])
					return productions
				}
				rule = new CountedRule(expand, [this.#comma, this.#gap, item, close], costNow)
				tails.set(count, rule)
			}
			return rule
		}
		return new Rule(() => [[this.#literal('['), tail(0)]])
	}

	/** An object with these keys, in this order; optional ones may be left out. */
	object(members: readonly ObjectMember[]): Rule {
		const close = this.#separator('}')
		const keys = members.map(({ key }) => this.#literal(`${JSON.stringify(key)}:`))
		const rests = new Map<string, Rule>()
		const rest = (index: number, isFirst: boolean): Rule => {
			const name = `${index} ${isFirst}`
			let rule = rests.get(name)
			if (rule === undefined) {
				rule = new Rule(() => {
					const member = members[index]
					if (member === undefined) return [[close]]
					const before = isFirst ? [] : [this.#comma, this.#gap]
					const taken = [...before, keys[index]!, this.#gap, member.value, rest(index + 1, false)]
					return member.isRequired ? [taken] : [taken, [rest(index + 1, isFirst)]]
				})
				rests.set(name, rule)
			}
			return rule
		}
		return new Rule(() => [[this.#literal('{'), rest(0, true)]])
	}

	/** An object with any keys, all values of one kind; impossible where no key can be written. */
	map(value: Rule): Rule {
		if (!this.#alphabet.spells('"')) return this.anyOf([])
		const close = this.#separator('}')
		const key = this.string(0, Number.POSITIVE_INFINITY)
		const member: Production = [key, this.#literal(':'), this.#gap, value]
		const more: Rule = new Rule(() => [[close], [this.#comma, this.#gap, ...member, more]])
		return new Rule(() => [
			[this.#literal('{'), close],
			[this.#literal('{'), ...member, more],
		])
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

	#standIn(): Lexeme {
		return literalLexeme([' '], this.#alphabet, true)
	}

	#literal(text: string): Lexeme {
		return literalLexeme([text], this.#alphabet)
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

function ruleOf(lexeme: Lexeme | undefined): Rule {
	return new Rule(() => (lexeme === undefined ? [] : [[lexeme]]))
}
