import type { Steps } from '../../lib/steps.ts'
import { type Lexeme, lexemeCost } from './lexeme.ts'

export type GrammarSymbol = Lexeme | Rule
export type Production = readonly GrammarSymbol[]

/** A nonterminal. Productions are made when first needed, so that rules may refer to each other. */
export class Rule {
	/** Cheapest text that it derives; Infinity: none. Valid after `measureRules`. */
	cost = Number.POSITIVE_INFINITY
	readonly #expand: () => readonly Production[]
	#productions: readonly Production[] | undefined
	#viable: readonly Production[] | undefined

	constructor(expand: () => readonly Production[]) {
		this.#expand = expand
	}

	get productions(): readonly Production[] {
		this.#productions ??= this.#expand()
		return this.#productions
	}

	/** Productions that derive something. Valid after `measureRules`. */
	get viableProductions(): readonly Production[] {
		this.#viable ??= this.productions.filter(
			(production) => productionCost(production) < Number.POSITIVE_INFINITY,
		)
		return this.#viable
	}

	/** Its cost from the costs of what it uses. */
	measure(): number {
		return Math.min(Number.POSITIVE_INFINITY, ...this.productions.map(productionCost))
	}

	/** Rules that its cost depends on. */
	get uses(): readonly Rule[] {
		return this.productions.flat().filter((symbol) => symbol instanceof Rule)
	}
}

export function symbolCost(symbol: GrammarSymbol): number {
	return symbol instanceof Rule ? symbol.cost : lexemeCost(symbol)
}

function productionCost(production: Production): number {
	let sum = 0
	for (const symbol of production) sum += symbolCost(symbol)
	return sum
}

/** Sets the cost of `root` and of every rule that it uses: the least fixed point. */
export function* measureRules(root: Rule): Steps<void> {
	const rules = new Set([root])
	for (const rule of rules) {
		for (const used of rule.uses) rules.add(used)
		yield
	}
	const usersLast = [...rules].reverse()
	for (let isChanged = true; isChanged; ) {
		isChanged = false
		for (const rule of usersLast) {
			const cost = rule.measure()
			yield
			if (cost >= rule.cost) continue
			rule.cost = cost
			isChanged = true
		}
	}
}
