import type { Steps } from '../../lib/steps.ts'
import type { Tokenizer } from '../../tokenizer/tokenizer.ts'
import type { PartialBytes } from './partial-bytes.ts'

/** Tokens beyond this many UTF-16 units are never used. */
const TOKEN_LENGTH_MAX = 256

const TOKENS_PER_STEP = 64

/** Bytes of a part of a character. */
const PARTIAL_BYTES_MAX = 3
/** Parts of characters that a model may draw; each is listed in every row of a string. */
const PARTIAL_COUNT_MAX = 512
/** Bytes of characters beyond ASCII. */
const BYTE_MIN = 0x80
const BYTES_OF_CHARACTERS = Array.from(
	{ length: 0xf4 - BYTE_MIN + 1 },
	(_, i) => BYTE_MIN + i,
).filter((byte) => byte !== 0xc0 && byte !== 0xc1)

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Tokens by their characters (code points). */
export interface TokenTrie {
	readonly children: ReadonlyMap<number, TokenTrie>
	/** Tokens that end here. */
	readonly tokenIds: readonly number[]
}

interface TrieNode extends TokenTrie {
	readonly children: Map<number, TrieNode>
	readonly tokenIds: number[]
}

/** Whether a character may stand in a JSON string as it is. */
export function isStringContent(codePoint: number): boolean {
	return codePoint >= 0x20 && codePoint !== QUOTE && codePoint !== BACKSLASH
}

export function codePointsOf(text: string): number[] {
	return Array.from(text, (character) => character.codePointAt(0)!)
}

/**
 * The tokens that constrained text may contain: all but reserved ones. Within a JSON string one character of content is as good as another,
 * so that there tokens are found by the number of content characters with which they begin.
 */
export class TokenIndex {
	readonly #root = emptyNode()
	readonly #afterContent: TrieNode[] = []
	/** Tokens that are one character. */
	readonly #idsByCharacter = new Map<number, number[]>()
	/** Tokens that are content alone, shortest first. */
	readonly #content: { readonly id: number; readonly length: number }[] = []
	/** Tokens that are part of a character, by id. */
	readonly #partial = new Map<number, PartialBytes>()
	readonly #contentMasks = new Map<number, Uint32Array>()
	readonly #wordCount: number

	private constructor(tokenCount: number) {
		this.#wordCount = Math.ceil(tokenCount / 32)
	}

	/** Takes some microseconds for each token. */
	static *of(tokenizer: Tokenizer): Steps<TokenIndex> {
		const { vocab, specialTokens } = tokenizer.spec
		const reserved = new Set(specialTokens)
		const index = new TokenIndex(vocab.length)
		for (const [id, stored] of vocab.entries()) {
			if (id % TOKENS_PER_STEP === 0) yield
			const text = tokenizer.tokenText(id)
			if (reserved.has(stored) || text.length > TOKEN_LENGTH_MAX) continue
			if (text !== '') index.#add(id, codePointsOf(text))
			else index.#addPartial(id, tokenizer.tokenBytes(id))
		}
		index.#content.sort((a, b) => a.length - b.length)
		index.#keepUsefulPartials()
		return index
	}

	get trie(): TokenTrie {
		return this.#root
	}

	/** Entry n: what follows n characters of content in tokens that go on with `"` or `\\`. No control characters. */
	get afterContent(): readonly TokenTrie[] {
		return this.#afterContent
	}

	/** Characters that are a token, with those tokens. */
	get characters(): ReadonlyMap<number, readonly number[]> {
		return this.#idsByCharacter
	}

	/** Tokens that are some bytes of a character; none where not every character can be written so. */
	get partial(): ReadonlyMap<number, PartialBytes> {
		return this.#partial
	}

	/** Characters beyond ASCII can be written byte by byte. */
	get spellsBytes(): boolean {
		return this.#partial.size > 0
	}

	#addPartial(id: number, bytes: Uint8Array): void {
		const isPart = bytes.length > 0 && bytes.length <= PARTIAL_BYTES_MAX
		if (isPart && bytes.every((byte) => byte >= BYTE_MIN)) this.#partial.set(id, [...bytes])
	}

	/** Those of one byte must be complete; of longer ones as many as rows have room for. */
	#keepUsefulPartials(): void {
		const all = [...this.#partial].sort(([, a], [, b]) => a.length - b.length)
		const single = new Set(all.flatMap(([, bytes]) => (bytes.length === 1 ? bytes : [])))
		this.#partial.clear()
		if (!BYTES_OF_CHARACTERS.every((byte) => single.has(byte))) return
		for (const [id, bytes] of all.slice(0, PARTIAL_COUNT_MAX)) this.#partial.set(id, bytes)
	}

	#add(id: number, codePoints: readonly number[]): void {
		insert(this.#root, codePoints, id)
		const length = codePoints.findIndex((codePoint) => !isStringContent(codePoint))
		if (length < 0) {
			this.#content.push({ id, length: codePoints.length })
		} else if (codePoints.every((codePoint) => codePoint >= 0x20)) {
			while (this.#afterContent.length <= length) this.#afterContent.push(emptyNode())
			insert(this.#afterContent[length]!, codePoints.slice(length), id)
		}
		if (codePoints.length > 1) return
		const sameText = this.#idsByCharacter.get(codePoints[0]!)
		if (sameText === undefined) this.#idsByCharacter.set(codePoints[0]!, [id])
		else sameText.push(id)
	}

	/** Mask of the tokens that are content alone, of at most `room` characters. Not to be changed. */
	contentMask(room: number): Uint32Array {
		const longest = this.#content.at(-1)?.length ?? 0
		const length = Math.min(room, longest)
		let mask = this.#contentMasks.get(length)
		if (mask === undefined) {
			mask = new Uint32Array(this.#wordCount)
			for (const token of this.#content) {
				if (token.length > length) break
				mask[token.id >> 5]! |= 1 << (token.id & 31)
			}
			this.#contentMasks.set(length, mask)
		}
		return mask
	}
}

function emptyNode(): TrieNode {
	return { children: new Map(), tokenIds: [] }
}

function insert(root: TrieNode, codePoints: readonly number[], id: number): void {
	let node = root
	for (const codePoint of codePoints) {
		let child = node.children.get(codePoint)
		if (child === undefined) {
			child = emptyNode()
			node.children.set(codePoint, child)
		}
		node = child
	}
	node.tokenIds.push(id)
}
