/** Our trainer's tokenizers as Hugging Face's tokenizer.json. */
import type { TrainerTokenizerSpec } from '../../tokenizer/tokenizer.ts'

/** What JavaScript trims and splits at, but for the newline, as a class for Hugging Face's regex. */
const BLANKS =
	'[\\t\\x0b\\f\\r \\u00a0\\ufeff\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]+'

/** The file's content, and in words where its ids may differ from ours. */
export function tokenizerJson(spec: TrainerTokenizerSpec): {
	readonly json: object
	readonly differences: readonly string[]
} {
	const shared = { version: '1.0', truncation: null, padding: null, normalizer: null }
	const rest = { post_processor: null, added_tokens: addedTokens(spec) }
	const json =
		spec.type === 'word'
			? { ...shared, ...rest, ...wordParts(spec) }
			: { ...shared, ...rest, ...characterParts(spec) }
	return { json, differences: differencesOf(spec) }
}

function addedTokens({ vocab, specialTokens }: TrainerTokenizerSpec) {
	return specialTokens
		.map((content) => ({
			id: vocab.lastIndexOf(content),
			content,
			single_word: false,
			lstrip: false,
			rstrip: false,
			normalized: false,
			special: true,
		}))
		.sort((a, b) => a.id - b.id)
}

/** Without a pre-tokenizer the whole text is one word; characters that the vocabulary lacks are dropped. */
function characterParts({ vocab, merges }: TrainerTokenizerSpec) {
	return {
		pre_tokenizer: null,
		decoder: { type: 'Fuse' },
		model: {
			type: 'BPE',
			dropout: null,
			unk_token: null,
			continuing_subword_prefix: null,
			end_of_word_suffix: null,
			fuse_unk: false,
			byte_fallback: false,
			ignore_merges: false,
			vocab: idsOf(vocab),
			merges: merges.map(([left, right]) => [vocab[left], vocab[right]]),
		},
	}
}

function wordParts({ vocab }: TrainerTokenizerSpec) {
	const join = (pattern: string, content: string) => {
		return { type: 'Replace', pattern: { String: pattern }, content }
	}
	return {
		pre_tokenizer: {
			type: 'Sequence',
			pretokenizers: [
				{ type: 'Split', pattern: { String: '\n' }, behavior: 'Isolated', invert: false },
				{ type: 'Split', pattern: { Regex: BLANKS }, behavior: 'Removed', invert: false },
			],
		},
		decoder: {
			type: 'Sequence',
			decoders: [
				// Puts a blank before every token but the first.
				{ type: 'WordPiece', prefix: '\n\n', cleanup: false },
				{ type: 'Fuse' },
				join(' \n ', '\n'),
				join(' \n', '\n'),
				join('\n ', '\n'),
			],
		},
		model: { type: 'WordLevel', vocab: idsOf(vocab), unk_token: '' },
	}
}

/** Of equal texts the later id is encoded, as with us. */
function idsOf(vocab: readonly string[]): Record<string, number> {
	return Object.fromEntries(vocab.map((text, id) => [text, id]))
}

function differencesOf({ type, vocab, merges, mergeOrder }: TrainerTokenizerSpec): string[] {
	const differences: string[] = []
	if (type === 'word') differences.push('a word that the vocabulary lacks is an error, not skipped')
	const twins = vocab.length - new Set(vocab).size
	if (twins > 0) differences.push(`${twins} ids have the text of another one`)
	const selfMerges = merges.filter(([left, right]) => left === right).length
	if (mergeOrder === 'queue' && selfMerges > 0) {
		differences.push(
			`runs of a token that merges with itself (${selfMerges} merges) may be cut elsewhere`,
		)
	}
	return differences
}
