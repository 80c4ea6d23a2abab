import { ANY_CHAR } from './char-set.ts'
import type { Language, Languages } from './language.ts'
import { parseRegex, type RegexNode } from './parse-regex.ts'
import { RegexError } from './regex-error.ts'

/** Whether everything before a place is empty: where `^` holds. */
type AtStart = 'yes' | 'no' | 'maybe'

/** The texts that match a pattern as a whole. Throws RegexError. */
export function matchOf(pattern: string, languages: Languages): Language {
	return new Builder(languages).followedBy(parseRegex(pattern), languages.empty, 'yes')
}

/** The texts in which a pattern matches somewhere, as JSON Schema's `pattern` has it. Throws RegexError. */
export function searchOf(pattern: string, languages: Languages): Language {
	const builder = new Builder(languages)
	const node = parseRegex(pattern)
	const atStart = builder.followedBy(node, languages.all, 'yes')
	const later = builder.followedBy(node, languages.all, 'no')
	const lead = languages.concat(languages.chars(ANY_CHAR), languages.all)
	return languages.or(atStart, languages.concat(lead, later))
}

/**
 * From the end to the start: each part is made together with all that follows it, because that is what
 * assertions speak of.
 */
class Builder {
	readonly #languages: Languages

	constructor(languages: Languages) {
		this.#languages = languages
	}

	/** Texts that match `node` and go on with `rest`. */
	followedBy(node: RegexNode, rest: Language, atStart: AtStart): Language {
		const to = this.#languages
		switch (node.kind) {
			case 'chars':
				return to.concat(to.chars(node.set), rest)
			case 'sequence': {
				const places: AtStart[] = []
				let place = atStart
				for (const item of node.items) {
					places.push(place)
					place = placeAfter(item, place)
				}
				return node.items.reduceRight(
					(after, item, index) => this.followedBy(item, after, places[index]!),
					rest,
				)
			}
			case 'choice':
				return to.or(...node.items.map((item) => this.followedBy(item, rest, atStart)))
			case 'repeat': {
				const { item, min, max } = node
				if (!hasAssertion(item)) {
					const one = this.followedBy(item, to.empty, 'no')
					return to.concat(to.repeat(one, min, max), rest)
				}
				if (max > 1) throw new RegexError('unsupported', 'repeats a group with an assertion')
				const once = max === 0 ? to.none : this.followedBy(item, rest, atStart)
				return min === 0 ? to.or(once, rest) : once
			}
			case 'ahead': {
				const ahead = this.followedBy(node.item, to.all, atStart)
				return to.and(node.isNegative ? to.not(ahead) : ahead, rest)
			}
			case 'start':
				if (atStart === 'maybe')
					throw new RegexError('unsupported', 'has "^" after an optional part')
				return atStart === 'yes' ? rest : to.none
			case 'end':
				return rest.hasEmpty ? to.empty : to.none
		}
	}
}

function placeAfter(node: RegexNode, before: AtStart): AtStart {
	if (before === 'no') return 'no'
	const [min, max] = lengthsOf(node)
	if (min > 0) return 'no'
	return max === 0 ? before : 'maybe'
}

/** Least and greatest number of characters that a node takes. */
function lengthsOf(node: RegexNode): [min: number, max: number] {
	switch (node.kind) {
		case 'chars':
			return [1, 1]
		case 'sequence': {
			const lengths = node.items.map(lengthsOf)
			return [sum(lengths.map(([min]) => min)), sum(lengths.map(([, max]) => max))]
		}
		case 'choice': {
			const lengths = node.items.map(lengthsOf)
			return [Math.min(...lengths.map(([min]) => min)), Math.max(...lengths.map(([, max]) => max))]
		}
		case 'repeat': {
			const [min, max] = lengthsOf(node.item)
			return [min * node.min, max === 0 || node.max === 0 ? 0 : max * node.max]
		}
		default:
			return [0, 0]
	}
}

function hasAssertion(node: RegexNode): boolean {
	switch (node.kind) {
		case 'chars':
			return false
		case 'sequence':
		case 'choice':
			return node.items.some(hasAssertion)
		case 'repeat':
			return hasAssertion(node.item)
		default:
			return true
	}
}

function sum(numbers: readonly number[]): number {
	return numbers.reduce((total, number) => total + number, 0)
}
