import type { TokenEvent } from './generation.ts'

/** Numbers of an event: its choice and its token. */
const NUMBERS = 2
/** In the place of a choice: the event is one of those that are more than a bare token. */
const WHOLE = -1
const FIRST_LENGTH = 16 * NUMBERS

/** Events in the order of their arrival. Bare tokens are numbers in it: as objects they take ten times as much. */
export class EventQueue {
	#numbers = new Int32Array(FIRST_LENGTH)
	/** Where the first event stands, and where the next one goes. */
	#start = 0
	#end = 0
	/** Those that are more than a bare token, in their order. */
	#whole: TokenEvent[] = []

	push(event: TokenEvent): void {
		if (this.#end === this.#numbers.length) this.#makeRoom()
		const isBare = event.type === 'token' && event.logprob === undefined
		if (!isBare) this.#whole.push(event)
		this.#numbers[this.#end++] = isBare ? event.choice : WHOLE
		this.#numbers[this.#end++] = isBare ? event.tokenId : 0
	}

	shift(): TokenEvent | undefined {
		if (this.#start === this.#end) return undefined
		const choice = this.#numbers[this.#start]!
		const tokenId = this.#numbers[this.#start + 1]!
		this.#start += NUMBERS
		if (this.#start === this.#end) this.#rest()
		return choice === WHOLE ? this.#whole.shift() : { type: 'token', choice, tokenId }
	}

	/** Drops those that are not wanted. */
	keep(isWanted: (event: TokenEvent) => boolean): void {
		const kept = new EventQueue()
		for (let event = this.shift(); event !== undefined; event = this.shift()) {
			if (isWanted(event)) kept.push(event)
		}
		this.#numbers = kept.#numbers
		this.#start = kept.#start
		this.#end = kept.#end
		this.#whole = kept.#whole
	}

	/** Half of the room is enough for what is left, or twice of it is made. */
	#makeRoom(): void {
		const rest = this.#numbers.subarray(this.#start, this.#end)
		const isSparse = rest.length <= this.#numbers.length / 2
		const numbers = isSparse ? this.#numbers : new Int32Array(2 * this.#numbers.length)
		numbers.set(rest)
		this.#numbers = numbers
		this.#start = 0
		this.#end = rest.length
	}

	/** Nothing is left: what a slow reader had piled up is given back. */
	#rest(): void {
		this.#start = 0
		this.#end = 0
		if (this.#numbers.length > FIRST_LENGTH) this.#numbers = new Int32Array(FIRST_LENGTH)
	}
}
