import { finish } from '../../../src/lib/steps.ts'
import {
	type Constraint,
	type ConstraintOptions,
	type ConstraintSpec,
	constraintSteps,
} from '../../../src/text/constraint/constraint.ts'
import { createTokenizer } from '../../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../../src/tokenizer/tokenizer.ts'

/** A char-like tokenizer over any token strings; `stop` is one reserved end token more. */
export function tokenizerOf(
	texts: Iterable<string>,
	specialTokens: readonly string[] = [],
): Tokenizer {
	const vocab = [...texts, ...specialTokens]
	return createTokenizer({ type: 'bpe', vocab, merges: [], specialTokens, mergeOrder: 'plain' })
}

export function optionsOf(tokenizer: Tokenizer): ConstraintOptions {
	const end = tokenizer.specialTokenId('<|end_of_text|>')
	const stopTokenIds = end === undefined ? [] : [end]
	return { vocabSize: tokenizer.spec.vocab.length, stopTokenIds }
}

/** Compiles without giving others a turn. */
export function compileNow(
	spec: ConstraintSpec,
	tokenizer: Tokenizer,
	options: ConstraintOptions,
): Constraint {
	return finish(constraintSteps(spec, tokenizer, options))
}

/** Ids of the bits that are set. */
export function idsOf(mask: Uint32Array): number[] {
	const ids: number[] = []
	for (const [index, word] of mask.entries()) {
		for (let bit = 0; bit < 32; bit++) if ((word >>> bit) & 1) ids.push(index * 32 + bit)
	}
	return ids
}

/** First characters in the order in which they bring a text to its end. */
const TOWARDS_END = ']} "0123456789'
const TOWARDS_STRING_END = '"'
const AWAY = ',:.-\\[{'

function rank(text: string, isInString: boolean): number {
	const first = text[0] ?? ''
	if (AWAY.includes(first)) return 200 + AWAY.indexOf(first)
	const index = (isInString ? TOWARDS_STRING_END : TOWARDS_END).indexOf(first)
	return (index < 0 ? 100 : index) + (text.length > 1 ? 50 : 0)
}

export interface WalkOptions {
	/** Tokens drawn at random before the walk makes for the end. */
	readonly randomTokens: number
	/** A number in [0, 1). */
	readonly random: () => number
}

/** Generates a text as a model would, with random choices; throws when it finds no end. */
export function walk(schema: unknown, tokenizer: Tokenizer, options: WalkOptions): string {
	return walkSpec({ kind: 'schema', schema }, tokenizer, options)
}

/** The same under any constraint whose texts are JSON. */
export function walkSpec(spec: ConstraintSpec, tokenizer: Tokenizer, options: WalkOptions): string {
	const { stopTokenIds, vocabSize } = optionsOf(tokenizer)
	const session = compileNow(spec, tokenizer, { stopTokenIds, vocabSize }).start()
	let text = ''
	for (let count = 0; !session.isFinished; count++) {
		if (count > options.randomTokens + 3000) throw new Error(`no end after ${text.slice(-200)}`)
		const ids = idsOf(session.state.row.mask)
		if (ids.length === 0) throw new Error(`no token may follow ${text.slice(-200)}`)
		const mayStop = ids.some((id) => stopTokenIds.includes(id))
		if (mayStop !== (session.isComplete && stopTokenIds.length > 0)) throw new Error('stop ids')
		const isInString = text.replaceAll(/\\./g, '').split('"').length % 2 === 0
		// What a pattern still asks for is found by chance.
		const isOpen = isInString && !ids.some((id) => tokenizer.tokenText(id).startsWith('"'))
		const isRandom = count < options.randomTokens || isOpen
		const ranks = ids.map((id) => rank(tokenizer.tokenText(id), isInString))
		const index = isRandom
			? Math.floor(options.random() * ids.length)
			: ranks.indexOf(Math.min(...ranks))
		const id = ids[index]!
		if (stopTokenIds.includes(id) || (!isRandom && mayStop)) break
		text += session.push(id)
	}
	return text + session.flush()
}

/** Mulberry32: seeded numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
	let state = seed
	return () => {
		state = (state + 0x6d2b79f5) | 0
		let mixed = Math.imul(state ^ (state >>> 15), state | 1)
		mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
		return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
	}
}
