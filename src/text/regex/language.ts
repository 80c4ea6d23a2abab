/**
 * Sets of texts as expressions with union, intersection and complement, and their derivatives: what may
 * still follow after a character (Brzozowski). Equal expressions are one object, so that an automaton's
 * states are the expressions that derivatives lead to.
 */
import { ANY_CHAR, type CharRange, type CharSet, charSet, hasChar, unionOf } from './char-set.ts'
import { RegexError } from './regex-error.ts'

/** Expressions of one maker, and parts of its unions and intersections: they bound time and memory. */
const LANGUAGE_COUNT_MAX = 8192
const PART_COUNT_MAX = 32_768

type Operation =
	| { readonly kind: 'none' }
	| { readonly kind: 'empty' }
	| { readonly kind: 'chars'; readonly set: CharSet }
	| { readonly kind: 'concat'; readonly first: Language; readonly rest: Language }
	| { readonly kind: 'or'; readonly items: readonly Language[] }
	| { readonly kind: 'and'; readonly items: readonly Language[] }
	| { readonly kind: 'not'; readonly item: Language }
	| {
			readonly kind: 'repeat'
			readonly item: Language
			readonly min: number
			readonly max: number
	  }

/** A set of texts. */
export interface Language {
	readonly id: number
	/** The empty text is in it. */
	readonly hasEmpty: boolean
	readonly operation: Operation
}

/** Makes languages; those of different makers must not be mixed. */
export class Languages {
	readonly #known = new Map<string, Language>()
	readonly #derivatives = new Map<Language, Map<number, Language>>()
	readonly #charSets: CharSet[] = []
	#partCount = 0
	readonly none = this.#make('none', { kind: 'none' }, false)
	readonly empty = this.#make('empty', { kind: 'empty' }, true)
	readonly all = this.not(this.none)

	/** Every set of characters that languages were made of. */
	get charSets(): readonly CharSet[] {
		return this.#charSets
	}

	chars(set: CharSet): Language {
		if (set.ranges.length === 0) return this.none
		return this.#make(`chars ${set.ranges.join(' ')}`, { kind: 'chars', set }, false)
	}

	concat(first: Language, rest: Language): Language {
		if (first === this.none || rest === this.none) return this.none
		if (first === this.empty) return rest
		if (rest === this.empty || (first === this.all && rest === this.all)) return first
		const { operation } = first
		if (operation.kind === 'concat') {
			return this.concat(operation.first, this.concat(operation.rest, rest))
		}
		const hasEmpty = first.hasEmpty && rest.hasEmpty
		return this.#make(`${first.id} . ${rest.id}`, { kind: 'concat', first, rest }, hasEmpty)
	}

	or(...languages: readonly Language[]): Language {
		const flat = languages.flatMap((it) => (it.operation.kind === 'or' ? it.operation.items : [it]))
		if (flat.includes(this.all)) return this.all
		const sets = flat.flatMap(({ operation }) =>
			operation.kind === 'chars' ? [operation.set] : [],
		)
		const rest = flat.filter((it) => it !== this.none && it.operation.kind !== 'chars')
		if (sets.length > 0)
			rest.push(sets.length === 1 ? this.chars(sets[0]!) : this.chars(unionOf(...sets)))
		return this.#group('or', rest, this.none)
	}

	and(...languages: readonly Language[]): Language {
		const flat = languages.flatMap((it) =>
			it.operation.kind === 'and' ? it.operation.items : [it],
		)
		if (flat.includes(this.none)) return this.none
		const rest = flat.filter((it) => it !== this.all)
		if (rest.includes(this.empty)) return rest.every((it) => it.hasEmpty) ? this.empty : this.none
		return this.#group('and', rest, this.all)
	}

	not(item: Language): Language {
		const { operation } = item
		if (operation.kind === 'not') return operation.item
		return this.#make(`not ${item.id}`, { kind: 'not', item }, !item.hasEmpty)
	}

	/** `max` may be Infinity. */
	repeat(item: Language, min: number, max: number): Language {
		if (max === 0 || item === this.empty) return this.empty
		if (item === this.none) return min === 0 ? this.empty : this.none
		if (min === 1 && max === 1) return item
		const isAny = item === this.chars(ANY_CHAR)
		if (isAny && min === 0 && max === Number.POSITIVE_INFINITY) return this.all
		const operation = { kind: 'repeat', item, min, max } as const
		return this.#make(`${item.id} {${min},${max}}`, operation, min === 0 || item.hasEmpty)
	}

	/** What may follow after a character. */
	derivative(language: Language, codePoint: number): Language {
		let known = this.#derivatives.get(language)
		if (known === undefined) {
			known = new Map()
			this.#derivatives.set(language, known)
		}
		let derivative = known.get(codePoint)
		if (derivative === undefined) {
			derivative = this.#derive(language, codePoint)
			known.set(codePoint, derivative)
		}
		return derivative
	}

	#derive({ operation }: Language, codePoint: number): Language {
		switch (operation.kind) {
			case 'none':
			case 'empty':
				return this.none
			case 'chars':
				return hasChar(operation.set, codePoint) ? this.empty : this.none
			case 'concat': {
				const { first, rest } = operation
				const within = this.concat(this.derivative(first, codePoint), rest)
				return first.hasEmpty ? this.or(within, this.derivative(rest, codePoint)) : within
			}
			case 'or':
				return this.or(...operation.items.map((item) => this.derivative(item, codePoint)))
			case 'and':
				return this.and(...operation.items.map((item) => this.derivative(item, codePoint)))
			case 'not':
				return this.not(this.derivative(operation.item, codePoint))
			case 'repeat': {
				const { item, min, max } = operation
				const rest = this.repeat(item, Math.max(0, min - 1), max - 1)
				return this.concat(this.derivative(item, codePoint), rest)
			}
		}
	}

	#group(kind: 'or' | 'and', languages: readonly Language[], neutral: Language): Language {
		this.#partCount += languages.length
		if (this.#partCount > PART_COUNT_MAX) throw tooLarge()
		const items = [...new Set(languages)].sort((a, b) => a.id - b.id)
		if (items.length <= 1) return items[0] ?? neutral
		const hasEmpty =
			kind === 'or' ? items.some((it) => it.hasEmpty) : items.every((it) => it.hasEmpty)
		return this.#make(`${kind} ${items.map(({ id }) => id)}`, { kind, items }, hasEmpty)
	}

	#make(key: string, operation: Operation, hasEmpty: boolean): Language {
		let language = this.#known.get(key)
		if (language === undefined) {
			if (this.#known.size === LANGUAGE_COUNT_MAX) throw tooLarge()
			language = { id: this.#known.size, hasEmpty, operation }
			this.#known.set(key, language)
			if (operation.kind === 'chars') this.#charSets.push(operation.set)
		}
		return language
	}
}

function tooLarge(): RegexError {
	return new RegexError('unsupported', 'leads to too large an automaton')
}

/** The sets of characters that none of the sets tells apart. */
export function classesOf(sets: readonly CharSet[]): CharSet[] {
	const cuts = new Set([0])
	for (const { ranges } of sets) {
		for (const [from, to] of ranges) cuts.add(from).add(to + 1)
	}
	const starts = [...cuts].filter((cut) => cut <= 0x10ffff).sort((a, b) => a - b)
	const classes = new Map<string, CharRange[]>()
	for (const [index, from] of starts.entries()) {
		const range: CharRange = [from, (starts[index + 1] ?? 0x110000) - 1]
		const name = sets.map((set) => (hasChar(set, from) ? 1 : 0)).join('')
		const alike = classes.get(name)
		if (alike === undefined) classes.set(name, [range])
		else alike.push(range)
	}
	return [...classes.values()].map((ranges) => charSet(...ranges))
}
