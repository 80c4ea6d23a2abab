import type { Steps } from './steps.ts'

/**
 * JSON of a value in which Maps stand for objects whose keys keep their order. A plain object cannot:
 * it puts keys that look like integers first.
 */
export function jsonText(value: unknown): string {
	if (value instanceof Map) {
		return objectText([...value].map(([key, field]) => [String(key), field]))
	}
	if (Array.isArray(value)) {
		if (value.every((item) => typeof item !== 'object')) return JSON.stringify(value)
		return `[${value.map((item) => (item === undefined ? 'null' : jsonText(item))).join()}]`
	}
	if (typeof value === 'object' && value !== null) return objectText(Object.entries(value))
	return JSON.stringify(value)
}

function objectText(fields: readonly (readonly [key: string, value: unknown])[]): string {
	const given = fields.filter(([, value]) => value !== undefined)
	return `{${given.map(([key, value]) => `${JSON.stringify(key)}:${jsonText(value)}`).join()}}`
}

/** Objects and lists within each other that are taken apart: as far as the log-probabilities of a token. */
const PIECE_DEPTH_MAX = 6

/** Characters that are made in one step. */
const STEP_LENGTH = 16 * 1024

/** Scalars of a list that are written at once. */
const SCALARS_PER_PART = 4096

/** The same text in pieces, of which each is made when it is asked for and has at least `lengthMin` characters but the last. */
export function* jsonPieces(value: unknown, lengthMin: number): Generator<string, void> {
	let text = ''
	for (const part of parts(value, PIECE_DEPTH_MAX)) {
		text += part
		if (text.length < lengthMin) continue
		yield text
		text = ''
	}
	if (text !== '') yield text
}

/** The same text, made in steps. */
export function* jsonSteps(value: unknown): Steps<string> {
	let text = ''
	for (const piece of jsonPieces(value, STEP_LENGTH)) {
		text += piece
		yield
	}
	return text
}

function* parts(value: unknown, depthMax: number): Generator<string, void> {
	const isPlain = typeof value !== 'object' || value === null || value instanceof Map
	if (isPlain || depthMax === 0) {
		yield jsonText(value)
	} else if (!Array.isArray(value)) {
		let mark = '{'
		for (const [key, field] of Object.entries(value)) {
			if (field === undefined) continue
			yield `${mark}${JSON.stringify(key)}:`
			yield* parts(field, depthMax - 1)
			mark = ','
		}
		yield mark === '{' ? '{}' : '}'
	} else if (value.every((item) => typeof item !== 'object')) {
		let mark = '['
		for (let from = 0; from < value.length; from += SCALARS_PER_PART) {
			yield mark + JSON.stringify(value.slice(from, from + SCALARS_PER_PART)).slice(1, -1)
			mark = ','
		}
		yield mark === '[' ? '[]' : ']'
	} else {
		let mark = '['
		for (const item of value) {
			yield mark
			yield* parts(item ?? null, depthMax - 1)
			mark = ','
		}
		yield ']'
	}
}
