/** Files of foreign tokenizers, whatever their bytes: a tokenizer that works, or an Error that says why not. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createTokenizer } from '../../src/tokenizer/create-tokenizer.ts'
import { parseHuggingFaceTokenizer } from '../../src/tokenizer/huggingface.ts'
import type { FuzzTarget, SeedFile } from '../helpers/fuzz.ts'

const fixtures = join(import.meta.dir, '../fixtures')

const SEEDS = [
	'tokenizers/bpe-llama.model',
	'tokenizers/bpe-user.model',
	'tokenizers/uni-bytes.model',
	'tokenizers/uni.json',
	'tokenizers/word.json',
	'tokenizers/ws-nounk.json',
	'families/llama-spm/tokenizer.json',
	'families/qwen2/tokenizer.json',
]

const TEXTS = ['Hello  world é日本👍 </s><|im_end|>', ' \n\ta', '\u2581x', '']

const noFiles = {
	tokenizer: undefined,
	vocab: undefined,
	merges: undefined,
	model: undefined,
	config: undefined,
	chatTemplate: undefined,
	specialTokens: undefined,
	endTokenIds: [],
}

function parse({ name, bytes }: SeedFile) {
	if (name.endsWith('.model')) return parseHuggingFaceTokenizer({ ...noFiles, model: bytes })
	const tokenizer: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
	return parseHuggingFaceTokenizer({ ...noFiles, tokenizer })
}

/** Tokenizers of other trainers. */
export const foreignTokenizers: FuzzTarget = {
	name: 'foreign-tokenizers',
	seeds: () => SEEDS.map((name) => ({ name, bytes: readFileSync(join(fixtures, name)) })),
	read(file) {
		let spec: ReturnType<typeof parse>
		try {
			spec = parse(file)
		} catch (error) {
			const isRefusal = error instanceof Error && error.constructor === Error
			if (isRefusal || error instanceof SyntaxError) return false
			throw error
		}
		const tokenizer = createTokenizer(spec)
		for (const text of TEXTS) {
			for (const ids of [tokenizer.encode(text), tokenizer.encodePlain(text)]) {
				const isKnown = ids.every((id) => id >= 0 && id < spec.vocab.length)
				if (!isKnown) throw new Error(`ids beyond the vocabulary: ${ids}`)
				const decoder = tokenizer.createDecoder()
				const pieces = ids.map((id) => decoder.push(id)).join('') + decoder.flush()
				if (pieces !== tokenizer.decode(ids)) throw new Error('pieces that are another text')
				if (!pieces.isWellFormed()) throw new Error('a broken character')
			}
		}
		return true
	},
}
