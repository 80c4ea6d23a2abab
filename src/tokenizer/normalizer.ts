import { Charsmap } from './charsmap.ts'
import { BLANK_MARK } from './pre-tokenizer.ts'
import { skipWhiteSpace, trimWhiteSpaceEnd } from './white-space.ts'

/** How a text is brought into the form in which a tokenizer was trained to see it. */

/** One stage; the stages of a tokenizer apply one after another. Plain data: crosses threads. */
export type NormalizerStage =
	| { readonly type: 'unicode'; readonly form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD' }
	| { readonly type: 'replace'; readonly from: string; readonly to: string }
	/** Runs of two and more blanks become `to`. */
	| { readonly type: 'blank-runs'; readonly to: string }
	/** Runs of blanks become one, and those around the text go. */
	| { readonly type: 'extra-blanks' }
	/** SentencePiece's table of characters and what they become. */
	| { readonly type: 'charsmap'; readonly map: Uint8Array; readonly unit: 'prefix' | 'grapheme' }
	| { readonly type: 'lowercase' }
	| { readonly type: 'strip'; readonly left: boolean; readonly right: boolean }
	/** Puts a text before each stretch that is not empty, or only before the first of a text. */
	| { readonly type: 'prepend'; readonly text: string; readonly where: 'each' | 'first' }

/** Takes a stretch between reserved tokens; `isFirst`: the text starts with it. */
export type Normalizer = (text: string, isFirst: boolean) => string

export function createNormalizer(stages: readonly NormalizerStage[]): Normalizer {
	const applied = stages.map(createStage)
	return (text, isFirst) => applied.reduce((normal, apply) => apply(normal, isFirst), text)
}

function createStage(stage: NormalizerStage): Normalizer {
	if (stage.type !== 'charsmap') return (text, isFirst) => applyStage(stage, text, isFirst)
	const map = new Charsmap(stage.map)
	return (text) => map.apply(text, stage.unit)
}

function applyStage(
	stage: Exclude<NormalizerStage, { type: 'charsmap' }>,
	text: string,
	isFirst: boolean,
): string {
	switch (stage.type) {
		case 'unicode':
			return text.normalize(stage.form)
		case 'replace':
			return text.replaceAll(stage.from, () => stage.to)
		case 'blank-runs':
			return text.replaceAll(/ {2,}/g, () => stage.to)
		case 'extra-blanks':
			// Marks that stand for blanks go at the end as well, as in SentencePiece.
			return withoutTrailing(text.replaceAll(/ {2,}/g, ' ').replace(/^ /, ''), [' ', BLANK_MARK])
		case 'lowercase':
			// Character by character, as the trainers do: a final sigma is like any other.
			return Array.from(text, (character) => character.toLowerCase()).join('')
		case 'strip': {
			const kept = stage.left ? text.slice(skipWhiteSpace(text, 0)) : text
			return stage.right ? trimWhiteSpaceEnd(kept) : kept
		}
		case 'prepend':
			return text === '' || (stage.where === 'first' && !isFirst) ? text : stage.text + text
	}
}

function withoutTrailing(text: string, characters: readonly string[]): string {
	let end = text.length
	while (end > 0 && characters.includes(text[end - 1]!)) end--
	return text.slice(0, end)
}
