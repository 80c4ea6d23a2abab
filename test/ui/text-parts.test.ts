/** Typed changes of a text that consists of tokens. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { type Part, textOf, typedEdit, typedParts } from '../../src/ui/page/text-parts.js'

const token = (text: string): Part => ({
	text,
	detail: { token: text, logprob: -1, top: [] },
	isTyped: false,
})

/** The parts after the user has changed the text to another one. */
function typed(parts: readonly Part[], text: string): Part[] {
	const edit = typedEdit(parts, text)
	return edit === null ? [...parts] : parts.toSpliced(edit.at, edit.remove, ...edit.inserted)
}

describe('what the user types into a text of tokens', () => {
	test('changes nothing when the text is the same', () => {
		expect(typedEdit([token('a'), token('b')], 'ab')).toBeNull()
	})

	test('leaves the tokens in front of it as they are', () => {
		const parts = [token('one'), token(' two'), token(' three')]
		expect(
			typed(parts, 'one twX three').map(({ text, detail }) => [text, detail !== null]),
		).toEqual([
			['one', true],
			[' twX', false],
			[' three', false],
		])
	})

	test('is one part with what was typed before it', () => {
		expect(typed(typedParts('The'), 'The sea')).toEqual(typedParts('The sea'))
	})

	test('always spells the text', () => {
		const texts = fc.array(fc.string({ minLength: 1, maxLength: 4 }), { maxLength: 12 })
		fc.assert(
			fc.property(
				texts,
				fc.string({ maxLength: 30 }),
				fc.nat(40),
				fc.nat(10),
				(list, insert, at, cut) => {
					const parts = list.flatMap((text, i) => (i % 3 === 0 ? typedParts(text) : [token(text)]))
					const old = textOf(parts)
					const text = old.slice(0, at) + insert + old.slice(at + cut)
					const changed = typed(parts, text)
					expect(textOf(changed)).toBe(text)
					expect(changed.every((part) => part.text !== '')).toBe(true)
				},
			),
			{ seed: 1 },
		)
	})

	test('is cut into pieces at line ends, so that long texts are drawn in blocks', () => {
		const parts = typedParts('A line of text.\n'.repeat(1000))
		expect(textOf(parts)).toBe('A line of text.\n'.repeat(1000))
		expect(parts.length).toBeGreaterThan(20)
		expect(parts.every(({ text }) => text.endsWith('\n') && text.length < 600)).toBe(true)
	})
})
