/**
 * Vocabularies as tiktoken has them: each token's bytes with its rank, which is its id and the order in
 * which pairs merge into it. The merges themselves follow: a token's two halves are what merging its
 * bytes by lower ranks leaves.
 */
import type { ByteBpeSpec } from './tokenizer.ts'

export interface TiktokenVocabulary {
	/** Ranks by the bytes of each token, one character U+0000 … U+00FF per byte. */
	readonly ranks: ReadonlyMap<string, number>
	readonly specialTokens: ReadonlyMap<string, number>
	/** How texts are cut before merging. */
	readonly expression: string
	readonly promptPrefix: readonly number[]
	readonly endTokenIds: readonly number[]
}

/** Verifies that every token can be merged. Throws an Error that names the one that cannot. */
export function byteBpeOfRanks(vocabulary: TiktokenVocabulary): ByteBpeSpec {
	const { ranks, specialTokens } = vocabulary
	let size = 0
	for (const id of [...ranks.values(), ...specialTokens.values()]) size = Math.max(size, id + 1)
	const vocab = new Array<string>(size).fill('')
	const merges: [number, number, number][] = []
	for (const [bytes, rank] of [...ranks].sort(([, a], [, b]) => a - b)) {
		vocab[rank] = bytes
		if (bytes.length < 2) continue
		const [left, right] = halves(bytes, rank, ranks)
		merges.push([ranks.get(left)!, ranks.get(right)!, rank])
	}
	const addedTokens = [...specialTokens].map(([text, id]) => {
		vocab[id] = Buffer.from(text, 'utf8').toString('latin1')
		return { id, text, isSpecial: true, stripsLeft: false, stripsRight: false, isWord: false }
	})
	return {
		type: 'byte-bpe',
		vocab,
		merges,
		ignoresMerges: true,
		addedTokens,
		specialTokens: [...specialTokens.keys()],
		normalization: 'none',
		preTokenizer: [{ type: 'split', expression: vocabulary.expression }],
		promptPrefix: vocabulary.promptPrefix,
		endTokenIds: vocabulary.endTokenIds,
	}
}

/** The two parts that are left when the bytes of a token have merged by all ranks below its own. */
function halves(
	bytes: string,
	rank: number,
	ranks: ReadonlyMap<string, number>,
): readonly [string, string] {
	const parts = [...bytes]
	while (parts.length > 2) {
		let lowest = rank
		let lowestAt = -1
		for (let i = 0; i + 1 < parts.length; i++) {
			const merged = ranks.get(parts[i]! + parts[i + 1]!)
			if (merged !== undefined && merged < lowest) {
				lowest = merged
				lowestAt = i
			}
		}
		if (lowestAt === -1) break
		parts.splice(lowestAt, 2, parts[lowestAt]! + parts[lowestAt + 1]!)
	}
	const [left, right] = parts
	if (parts.length !== 2 || !ranks.has(left!) || !ranks.has(right!)) {
		const hex = Buffer.from(bytes, 'latin1').toString('hex').slice(0, 40)
		throw new Error(`tokenizer: expected token ${rank} (${hex}) to be made of two others`)
	}
	return [left!, right!]
}
