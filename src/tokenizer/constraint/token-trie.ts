import type { Alphabet } from './alphabet.ts'

/** The vocabulary by symbols: tokens that a grammar cannot tell apart share a node. */
export interface TokenTrie {
	readonly children: ReadonlyMap<number, TokenTrie>
	/** Tokens that end here. */
	readonly tokenIds: readonly number[]
}

interface Node extends TokenTrie {
	readonly children: Map<number, Node>
	readonly tokenIds: number[]
}

/** Trie of all tokens of an alphabet, whose distinguished characters are complete. */
export function buildTokenTrie(alphabet: Alphabet): TokenTrie {
	const root: Node = { children: new Map(), tokenIds: [] }
	for (const { id, codePoints } of alphabet.tokens) {
		let node = root
		for (const codePoint of codePoints) {
			const symbol = alphabet.symbolOf(codePoint)
			let child = node.children.get(symbol)
			if (child === undefined) {
				child = { children: new Map(), tokenIds: [] }
				node.children.set(symbol, child)
			}
			node = child
		}
		node.tokenIds.push(id)
	}
	return root
}
