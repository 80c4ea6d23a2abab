import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts'
import { parseTokenizerSpec } from '../../src/tokenizer/tokenizer-spec.ts'

const FIXTURES = new URL('../fixtures/', import.meta.url).pathname
const EMBEDDED = new URL('../../checkpoints/novels-austen/', import.meta.url).pathname

/** What `expected.json` says about a tokenizer; see test/fixtures/README.md. */
export interface TokenizerAnswers {
	readonly pieces?: readonly string[]
	readonly encode: readonly { text: string; ids: number[]; decoded: string }[]
	readonly decode?: readonly { ids: number[]; text: string; streamed: string[] }[]
}

export interface TokenizerFixture {
	readonly name: string
	readonly artifacts: Record<string, unknown>
	readonly tokenizer: Tokenizer
	readonly answers: TokenizerAnswers
}

/** The tokenizer of each fixture's newest checkpoint and of the embedded model, with the answers. */
export function loadTokenizerFixtures(): TokenizerFixture[] {
	const runs = readdirSync(FIXTURES, { withFileTypes: true })
		.filter(({ name }) => existsSync(`${FIXTURES}${name}/expected.json`))
		.map(({ name }) => loadFixture(name, FIXTURES + name, `${FIXTURES}${name}/expected.json`))
	const embedded = `${FIXTURES}novels-austen.expected.json`
	return [...runs, loadFixture('novels-austen', EMBEDDED, embedded)]
}

/** One of them by name. */
export function loadTokenizer(name: string): Tokenizer {
	const fixture = loadTokenizerFixtures().find((candidate) => candidate.name === name)
	if (fixture === undefined) throw new Error(`no fixture ${name}`)
	return fixture.tokenizer
}

function loadFixture(name: string, directory: string, answersPath: string): TokenizerFixture {
	const file = readdirSync(directory)
		.filter((entry) => /^checkpoint-\d+\.json$/.test(entry))
		.sort((a, b) => Number(a.slice(11, -5)) - Number(b.slice(11, -5)))
		.at(-1)
	const bytes = readFileSync(`${directory}/${file}`)
	const isBinary = bytes.toString('latin1', 0, 4) === 'ALPH'
	const header = isBinary ? bytes.subarray(8, 8 + bytes.readUInt32LE(4)) : bytes
	const artifacts = JSON.parse(header.toString('utf8')).tokenizerArtifacts
	const spec = parseTokenizerSpec(artifacts, isBinary ? 'binary' : 'json')
	const answers = JSON.parse(readFileSync(answersPath, 'utf8')).tokenizer
	return { name, artifacts, tokenizer: createTokenizer(spec), answers }
}
