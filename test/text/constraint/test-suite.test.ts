/**
 * The public JSON-Schema-Test-Suite: each of its schemas is honoured or refused, no value that it calls invalid
 * is let through, and no text that is generated is invalid for ajv.
 */
import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Ajv from 'ajv'
import Ajv2020 from 'ajv/dist/2020'
import addFormats from 'ajv-formats'
import type { Constraint } from '../../../src/text/constraint/constraint.ts'
import { ConstraintError } from '../../../src/text/constraint/constraint-error.ts'
import { compileNow, optionsOf, seededRandom, tokenizerOf, walk } from './walk.ts'

setDefaultTimeout(120_000)

const directory = join(import.meta.dir, '../../../node_modules/.cache/json-schema-test-suite')
const isThere = existsSync(join(directory, 'installed.txt'))
const note = isThere ? '' : ' (skipped: it is not installed; `bun test/install.ts` says why)'
const WALKS_PER_SCHEMA = 2
const OPTIONS = {
	strict: false,
	ownProperties: true,
	validateSchema: false,
	logger: false,
} as const

interface Group {
	readonly description: string
	readonly schema: unknown
	readonly tests: readonly { readonly data: unknown; readonly valid: boolean }[]
}

function groupsOf(draft: string): Group[] {
	const folder = join(directory, 'tests', draft)
	const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
	return files.flatMap((name) => {
		const groups: Group[] = JSON.parse(readFileSync(join(folder, name), 'utf8'))
		return groups.map((it) => ({ ...it, description: `${name}: ${it.description}` }))
	})
}

/** Every character of the suite and of JSON is a token. */
function tokenizerFor(groups: readonly Group[]) {
	const ascii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))
	const characters = new Set([...ascii, ...JSON.stringify(groups).toWellFormed()])
	return tokenizerOf(characters, ['<|end_of_text|>'])
}

function isLetThrough(json: string, constraint: Constraint, vocab: readonly string[]): boolean {
	const session = constraint.start()
	for (const character of json) {
		const id = vocab.indexOf(character)
		if (id === -1 || !((session.state.row.mask[id >> 5]! >>> (id & 31)) & 1)) return false
		session.push(id)
	}
	return session.isComplete
}

test.skipIf(!isThere).each([
	['draft2020-12', () => new Ajv2020(OPTIONS), 230],
	['draft7', () => new Ajv(OPTIONS), 190],
] as const)(`%s${note}`, (draft, createAjv, honouredMin) => {
	const groups = groupsOf(draft)
	const tokenizer = tokenizerFor(groups)
	const { vocab } = tokenizer.spec
	const faults: unknown[] = []
	let honoured = 0
	let valid = 0
	let letThrough = 0
	for (const { description, schema, tests } of groups) {
		let constraint: Constraint
		try {
			constraint = compileNow({ kind: 'schema', schema }, tokenizer, optionsOf(tokenizer))
		} catch (error) {
			expect(error, description).toBeInstanceOf(ConstraintError)
			continue
		}
		honoured++
		for (const { data, valid: isValid } of tests) {
			const isThrough = isLetThrough(JSON.stringify(data), constraint, vocab)
			if (isValid) valid++
			if (isValid && isThrough) letThrough++
			if (!isValid && isThrough) faults.push({ description, data })
		}
		const ajv = createAjv()
		addFormats(ajv)
		const validate = ajv.compile(schema as object)
		for (let seed = 0; seed < WALKS_PER_SCHEMA; seed++) {
			const options = { randomTokens: 5 * seed, random: seededRandom(seed) }
			const text = walk(schema, tokenizer, options)
			if (!validate(JSON.parse(text))) faults.push({ description, text })
		}
	}
	console.log(
		`${draft}: ${honoured} of ${groups.length} schemas honoured, ` +
			`${letThrough} of their ${valid} valid values can be written`,
	)
	expect(faults).toEqual([])
	expect(honoured).toBeGreaterThanOrEqual(honouredMin)
})
