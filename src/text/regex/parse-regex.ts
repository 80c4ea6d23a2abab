/**
 * A regular expression as ECMA-262 writes it in Unicode mode, without what a finite automaton cannot do:
 * back references, look-behind, `\b`; and without `\p{…}` and flags. Groups capture nothing and
 * quantifiers are neither greedy nor lazy, since only whether a text matches matters.
 */
import {
	type CharRange,
	type CharSet,
	charSet,
	charsOf,
	complementOf,
	unionOf,
} from './char-set.ts'
import { RegexError } from './regex-error.ts'

export type RegexNode =
	| { readonly kind: 'chars'; readonly set: CharSet }
	| { readonly kind: 'sequence'; readonly items: readonly RegexNode[] }
	| { readonly kind: 'choice'; readonly items: readonly RegexNode[] }
	/** `max` may be Infinity. */
	| {
			readonly kind: 'repeat'
			readonly item: RegexNode
			readonly min: number
			readonly max: number
	  }
	| { readonly kind: 'ahead'; readonly item: RegexNode; readonly isNegative: boolean }
	| { readonly kind: 'start' }
	| { readonly kind: 'end' }

/** UTF-16 units of a pattern. */
export const PATTERN_LENGTH_MAX = 2048
/** Groups within each other. */
const GROUP_DEPTH_MAX = 32

const DIGITS = charSet([0x30, 0x39])
const WORD = charSet([0x30, 0x39], [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a])
const SPACE = charsOf(
	'\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a' +
		'\u2028\u2029\u202f\u205f\u3000\ufeff',
)
const LINE_ENDS = charsOf('\n\r\u2028\u2029')

const CLASS_ESCAPES: Readonly<Record<string, CharSet>> = {
	d: DIGITS,
	D: complementOf(DIGITS),
	w: WORD,
	W: complementOf(WORD),
	s: SPACE,
	S: complementOf(SPACE),
}
const CONTROL_ESCAPES: Readonly<Record<string, string>> = {
	t: '\t',
	n: '\n',
	r: '\r',
	f: '\f',
	v: '\v',
	'0': '\0',
}

/** Throws RegexError with the place at fault. */
export function parseRegex(pattern: string): RegexNode {
	if (pattern.length > PATTERN_LENGTH_MAX) {
		throw new RegexError('unsupported', `is longer than ${PATTERN_LENGTH_MAX} characters`)
	}
	return new Parser(pattern).parse()
}

class Parser {
	readonly #chars: readonly string[]
	#at = 0
	#depth = 0

	constructor(pattern: string) {
		this.#chars = Array.from(pattern)
	}

	parse(): RegexNode {
		const node = this.#choice()
		if (this.#at < this.#chars.length) throw this.#invalid('")" without "("')
		return node
	}

	#choice(): RegexNode {
		const items = [this.#sequence()]
		while (this.#take('|')) items.push(this.#sequence())
		return items.length === 1 ? items[0]! : { kind: 'choice', items }
	}

	#sequence(): RegexNode {
		const items: RegexNode[] = []
		while (this.#at < this.#chars.length && this.#next !== '|' && this.#next !== ')') {
			items.push(this.#quantified())
		}
		return items.length === 1 ? items[0]! : { kind: 'sequence', items }
	}

	#quantified(): RegexNode {
		const item = this.#atom()
		const counts = this.#quantifier()
		if (counts === null) return item
		if (item.kind === 'start' || item.kind === 'end' || item.kind === 'ahead') {
			throw this.#unsupported('a quantifier after an assertion')
		}
		this.#take('?')
		if (this.#next === '+') throw this.#unsupported('a possessive quantifier')
		if (this.#quantifier() !== null) throw this.#invalid('a quantifier after a quantifier')
		return { kind: 'repeat', item, ...counts }
	}

	#quantifier(): { min: number; max: number } | null {
		if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY }
		if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY }
		if (this.#take('?')) return { min: 0, max: 1 }
		if (this.#next !== '{') return null
		const end = this.#chars.indexOf('}', this.#at)
		const counts = /^\{(\d{1,9})(,?)(\d{0,9})$/.exec(this.#chars.slice(this.#at, end).join(''))
		if (counts === null) return null
		const [, first, comma, last] = counts
		if (comma === '' && last !== '') return null
		this.#at = end + 1
		const min = Number(first)
		const max = comma === '' ? min : last === '' ? Number.POSITIVE_INFINITY : Number(last)
		if (max < min) throw this.#invalid('a repetition whose numbers are out of order')
		return { min, max }
	}

	#atom(): RegexNode {
		const char = this.#chars[this.#at++]!
		switch (char) {
			case '^':
				return { kind: 'start' }
			case '$':
				return { kind: 'end' }
			case '.':
				return { kind: 'chars', set: complementOf(LINE_ENDS) }
			case '(':
				return this.#group()
			case '[':
				return { kind: 'chars', set: this.#class() }
			case '\\':
				return { kind: 'chars', set: this.#escape(false) }
			case '*':
			case '+':
			case '?':
				throw this.#invalid('a quantifier with nothing before it')
			default:
				return { kind: 'chars', set: charsOf(char) }
		}
	}

	#group(): RegexNode {
		if (++this.#depth > GROUP_DEPTH_MAX) {
			throw this.#unsupported(`more than ${GROUP_DEPTH_MAX} nested groups`)
		}
		let ahead: boolean | null = null
		if (this.#take('?')) {
			if (this.#take('=')) ahead = false
			else if (this.#take('!')) ahead = true
			else if (!this.#take(':')) this.#groupName()
		}
		const inner = this.#choice()
		if (!this.#take(')')) throw this.#invalid('"(" without ")"')
		this.#depth--
		return ahead === null ? inner : { kind: 'ahead', item: inner, isNegative: ahead }
	}

	/** `?<name>`, and `?P<name>` as Python writes it. */
	#groupName(): void {
		this.#take('P')
		const end = this.#chars.indexOf('>', this.#at)
		const name = end < 0 ? '' : this.#chars.slice(this.#at, end + 1).join('')
		if (!/^<[\p{L}_$][\p{L}\p{N}_$]*>$/u.test(name)) {
			throw this.#unsupported('look-behind, flags or another kind of group')
		}
		this.#at = end + 1
	}

	#class(): CharSet {
		const isNegative = this.#take('^')
		const sets: CharSet[] = []
		while (!this.#take(']')) {
			const first = this.#classAtom()
			const isRange = this.#next === '-' && ![']', undefined].includes(this.#chars[this.#at + 1])
			if (!isRange) {
				sets.push(first)
				continue
			}
			this.#at++
			const [from, to] = [onlyChar(first), onlyChar(this.#classAtom())]
			if (from === null || to === null) throw this.#invalid('a range between classes')
			if (from > to) throw this.#invalid('a range that is out of order')
			sets.push(charSet([from, to]))
		}
		const set = unionOf(...sets)
		return isNegative ? complementOf(set) : set
	}

	#classAtom(): CharSet {
		const char = this.#chars[this.#at++]
		if (char === undefined) throw this.#invalid('"[" without "]"')
		return char === '\\' ? this.#escape(true) : charsOf(char)
	}

	/** What follows a backslash. */
	#escape(isInClass: boolean): CharSet {
		const char = this.#chars[this.#at++]
		if (char === undefined) throw this.#invalid('a backslash at the end')
		const set = CLASS_ESCAPES[char]
		if (set !== undefined) return set
		if (char === '0' && /\d/.test(this.#next ?? '')) throw this.#unsupported('an octal escape')
		const control = CONTROL_ESCAPES[char]
		if (control !== undefined) return charsOf(control)
		if (char === 'b' && isInClass) return charsOf('\b')
		if (char === 'x') return this.#hex(/^[\da-f]{2}/i)
		if (char === 'u') return this.#hex(/^(?:[\da-f]{4}|\{[\da-f]{1,6}\})/i)
		if (/[\p{L}\p{N}]/u.test(char)) throw this.#unsupported(`"\\${char}"`)
		return charsOf(char)
	}

	#hex(form: RegExp): CharSet {
		const digits = form.exec(this.#chars.slice(this.#at, this.#at + 8).join(''))?.[0]
		const codePoint = Number.parseInt(digits?.replace('{', '') ?? '', 16)
		if (digits === undefined || codePoint > 0x10ffff) throw this.#invalid('a hexadecimal escape')
		this.#at += digits.length
		return charSet([codePoint, codePoint])
	}

	get #next(): string | undefined {
		return this.#chars[this.#at]
	}

	#take(char: string): boolean {
		if (this.#next !== char) return false
		this.#at++
		return true
	}

	#invalid(what: string): RegexError {
		return new RegexError('invalid', `has ${what} at character ${this.#at}`)
	}

	#unsupported(what: string): RegexError {
		return new RegexError('unsupported', `has ${what} at character ${this.#at}`)
	}
}

function onlyChar({ ranges }: CharSet): number | null {
	const [first] = ranges
	const isOne = ranges.length === 1 && first![0] === first![1]
	return isOne ? (first as CharRange)[0] : null
}
