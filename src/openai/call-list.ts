import { type CallDelta, CallReader } from '../text/call-reader.ts'

/** A call of an answer. */
export interface Call {
	/** Id of the item of the output. */
	readonly itemId: string
	/** Id by which its result will be told. */
	readonly callId: string
	readonly name: string
	/** JSON, as far as it has been written. */
	arguments: string
}

/** What a piece of text adds to a call. */
export interface CallPiece {
	readonly call: Call
	/** Place of the call among the calls. */
	readonly index: number
	readonly isNew: boolean
	/** Further JSON of its arguments. */
	readonly json: string
}

/** The calls of an answer while they are written; each gets its ids when it begins. */
export class CallList {
	readonly calls: Call[] = []
	readonly #reader = new CallReader()
	readonly #newId: (prefix: string) => string

	constructor(newId: (prefix: string) => string) {
		this.#newId = newId
	}

	/** Reads text that consists of calls. */
	push(text: string): CallPiece[] {
		return this.add(this.#reader.push(text))
	}

	add(deltas: readonly CallDelta[]): CallPiece[] {
		return deltas.map(({ index, name, arguments: json }) => {
			const isNew = name !== null
			const known = this.calls[index]
			const call = known ?? this.#add(name ?? '')
			call.arguments += json
			return { call, index, isNew, json }
		})
	}

	#add(name: string): Call {
		const itemId = this.#newId('fc_')
		const call = { itemId, callId: this.#newId('call_'), name, arguments: '' }
		this.calls.push(call)
		return call
	}
}
