import { STEP_UNITS, type Steps } from '../lib/steps.ts'

/** A node of the automaton takes a microsecond or less. */
const NODES_PER_STEP = STEP_UNITS / 4

/**
 * Finds reserved tokens in a text in one pass, however many there are and however alike: the automaton
 * of Aho and Corasick (1975) over the tokens spelled backwards. It reads the text from its end, so that
 * what it knows at a place are the tokens that start there.
 */
export class SpecialTokenMatcher {
	readonly #tokens: readonly string[]
	/** By node: where each UTF-16 code unit leads. Node 0 has read nothing of any token. */
	readonly #children: Map<number, number>[] = [new Map()]
	/** By node: the longest shorter text that may still become a token. */
	readonly #fallback: number[] = [0]
	/** By node: index of the longest token that has been read whole, or -1. */
	readonly #longest: number[] = [-1]

	/** Of equal tokens the first counts; none may be empty. */
	static *of(tokens: readonly string[]): Steps<SpecialTokenMatcher> {
		const matcher = new SpecialTokenMatcher(tokens)
		let units = 0
		for (const [index, token] of tokens.entries()) {
			matcher.#insert(token, index)
			units += token.length
			if (units < NODES_PER_STEP) continue
			units = 0
			yield
		}
		yield* matcher.#link()
		return matcher
	}

	private constructor(tokens: readonly string[]) {
		this.#tokens = tokens
	}

	/** By place in the text: index of the longest token that starts there, or -1. */
	find(text: string): Int32Array {
		const found = new Int32Array(text.length).fill(-1)
		if (this.#tokens.length === 0) return found
		let node = 0
		for (let at = text.length - 1; at >= 0; at--) {
			node = this.#step(node, text.charCodeAt(at))
			found[at] = this.#longest[node]!
		}
		return found
	}

	#insert(token: string, index: number): void {
		let node = 0
		for (let at = token.length - 1; at >= 0; at--) {
			const children = this.#children[node]!
			const unit = token.charCodeAt(at)
			let child = children.get(unit)
			if (child === undefined) {
				child = this.#children.length
				children.set(unit, child)
				this.#children.push(new Map())
				this.#fallback.push(0)
				this.#longest.push(-1)
			}
			node = child
		}
		if (this.#longest[node] === -1) this.#longest[node] = index
	}

	/** Sets fallbacks level by level: that of a node lies on a level above it. */
	*#link(): Steps<void> {
		const queue = [...this.#children[0]!.values()]
		for (let i = 0; i < queue.length; i++) {
			const node = queue[i]!
			if ((i + 1) % NODES_PER_STEP === 0) yield
			for (const [unit, child] of this.#children[node]!) {
				const fallback = this.#step(this.#fallback[node]!, unit)
				this.#fallback[child] = fallback
				if (this.#longest[child] === -1) this.#longest[child] = this.#longest[fallback]!
				queue.push(child)
			}
		}
	}

	#step(from: number, unit: number): number {
		for (let node = from; ; node = this.#fallback[node]!) {
			const child = this.#children[node]!.get(unit)
			if (child !== undefined) return child
			if (node === 0) return 0
		}
	}
}
