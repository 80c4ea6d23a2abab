/*
 * A reader of pickles that runs nothing. A pickle is a program for a stack machine; this one knows the
 * instructions that write plain data and makes an object only where the caller knows its name. What it
 * does not know is refused by name. Opcodes as in Python's `pickletools`, protocols 2 to 5.
 */
import { CheckpointError } from './checkpoint-error.ts'

/** A name in a pickle, for instance `collections OrderedDict`; on its own it is nothing. */
export class PickleGlobal {
	readonly name: string

	constructor(name: string) {
		this.name = name
	}
}

/** dicts are maps, lists and tuples arrays, bytes byte arrays, integers numbers. */
export type PickleValue =
	| null
	| boolean
	| number
	| string
	| Uint8Array
	| PickleValue[]
	| Map<PickleValue, PickleValue>
	| PickleGlobal
	| object

export interface PickleOptions {
	/** What calling a name gives; names without an entry are refused. */
	readonly calls: ReadonlyMap<string, (args: readonly PickleValue[]) => PickleValue>
	/** What a persistent id stands for. Without it there are none. */
	readonly persistent?: (id: PickleValue) => PickleValue
	/** Fills an object with its state (`__setstate__`). Without it, states of calls' results are dropped. */
	readonly build?: (object: PickleValue, state: PickleValue) => void
}

/** Longest pickle that is read in bytes; one of a billion parameters in 1,000 tensors has some 300 kB. */
export const PICKLE_BYTES_MAX = 2 ** 24

/** Values that wait on the stack. Python writes containers in portions of 1,000. */
const STACK_MAX = 16_384

const MEMO_MAX = 2 ** 20

/** Digits of a long integer in bytes. */
const LONG_BYTES_MAX = 8

const MARK = Symbol('mark')
type Slot = PickleValue | typeof MARK

/** Reads the value that a pickle describes. Throws CheckpointError. */
export function readPickle(bytes: Uint8Array, options: PickleOptions): PickleValue {
	if (bytes.byteLength > PICKLE_BYTES_MAX) {
		throw refuse(`at most ${PICKLE_BYTES_MAX} bytes`, `${bytes.byteLength}`)
	}
	return new PickleMachine(bytes, options).run()
}

class PickleMachine {
	readonly #bytes: Uint8Array
	readonly #view: DataView
	readonly #options: PickleOptions
	readonly #stack: Slot[] = []
	readonly #memo: PickleValue[] = []
	#at = 0

	constructor(bytes: Uint8Array, options: PickleOptions) {
		this.#bytes = bytes
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
		this.#options = options
	}

	run(): PickleValue {
		for (;;) {
			const opcode = this.#u8()
			if (opcode === STOP) return this.#pop()
			const instruction = INSTRUCTIONS.get(opcode)
			if (instruction === undefined) {
				throw refuse('a known instruction', `byte 0x${opcode.toString(16)} at ${this.#at - 1}`)
			}
			instruction(this)
		}
	}

	// Operands.

	#need(count: number): number {
		const start = this.#at
		if (count > this.#bytes.byteLength - start) {
			throw refuse(`${count} bytes at ${start}`, `the end at ${this.#bytes.byteLength}`)
		}
		this.#at += count
		return start
	}

	#u8(): number {
		return this.#view.getUint8(this.#need(1))
	}

	u8(): number {
		return this.#u8()
	}

	u16(): number {
		return this.#view.getUint16(this.#need(2), true)
	}

	i32(): number {
		return this.#view.getInt32(this.#need(4), true)
	}

	u32(): number {
		return this.#view.getUint32(this.#need(4), true)
	}

	u64(): number {
		const value = this.#view.getBigUint64(this.#need(8), true)
		return value > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(value)
	}

	f64(): number {
		return this.#view.getFloat64(this.#need(8), false)
	}

	bytes(count: number): Uint8Array {
		const start = this.#need(count)
		return this.#bytes.slice(start, start + count)
	}

	text(count: number): string {
		const start = this.#need(count)
		try {
			return UTF8.decode(this.#bytes.subarray(start, start + count))
		} catch (cause) {
			throw new CheckpointError(`pickle: expected UTF-8 at ${start}`, { cause })
		}
	}

	line(): string {
		const end = this.#bytes.indexOf(NEWLINE, this.#at)
		if (end === -1) throw refuse(`a line at ${this.#at}`, 'no end of it')
		const text = this.text(end - this.#at)
		this.#at = end + 1
		return text
	}

	/** Two's complement, little-endian. */
	long(count: number): number {
		if (count > LONG_BYTES_MAX) {
			throw refuse(`integers of at most ${LONG_BYTES_MAX} bytes`, `one of ${count}`)
		}
		let value = 0n
		for (const [i, byte] of this.bytes(count).entries()) value |= BigInt(byte) << BigInt(8 * i)
		return Number(BigInt.asIntN(8 * count, value))
	}

	// The stack.

	push(slot: Slot): void {
		if (this.#stack.length === STACK_MAX)
			throw refuse(`at most ${STACK_MAX} values at once`, 'more')
		this.#stack.push(slot)
	}

	pop(): PickleValue {
		return this.#pop()
	}

	#pop(): PickleValue {
		const slot = this.#stack.pop()
		if (slot === undefined || slot === MARK) throw refuse(`a value before ${this.#at}`, 'none')
		return slot
	}

	top(): PickleValue {
		const slot = this.#stack.at(-1)
		if (slot === undefined || slot === MARK) throw refuse(`a value before ${this.#at}`, 'none')
		return slot
	}

	/** Takes all values above the last mark, and the mark. */
	popMarked(): PickleValue[] {
		const mark = this.#stack.lastIndexOf(MARK)
		if (mark === -1) throw refuse(`a mark before ${this.#at}`, 'none')
		return this.#stack.splice(mark).slice(1) as PickleValue[]
	}

	// The memo.

	memoize(index = this.#memo.length): void {
		if (index > Math.min(MEMO_MAX, this.#memo.length)) {
			throw refuse(`memo entries in order, at most ${MEMO_MAX}`, `entry ${index}`)
		}
		this.#memo[index] = this.top()
	}

	recall(index: number): void {
		if (index >= this.#memo.length)
			throw refuse(`one of ${this.#memo.length} memo entries`, `${index}`)
		this.push(this.#memo[index]!)
	}

	// Containers and objects.

	append(items: readonly PickleValue[]): void {
		const list = this.top()
		if (!Array.isArray(list)) throw refuse(`a list before ${this.#at}`, kindOf(list))
		for (const item of items) list.push(item)
	}

	setItems(items: readonly PickleValue[]): void {
		const dict = this.top()
		if (!(dict instanceof Map)) throw refuse(`a dict before ${this.#at}`, kindOf(dict))
		if (items.length % 2 !== 0) throw refuse(`pairs before ${this.#at}`, `${items.length} values`)
		for (let i = 0; i < items.length; i += 2) dict.set(items[i]!, items[i + 1]!)
	}

	global(module: PickleValue, name: PickleValue): void {
		if (typeof module !== 'string' || typeof name !== 'string') {
			throw refuse(`a name before ${this.#at}`, kindOf(name))
		}
		const full = `${module} ${name}`
		if (!this.#options.calls.has(full)) {
			throw refuse('names of plain data and tensors', JSON.stringify(full.slice(0, 120)))
		}
		this.push(new PickleGlobal(full))
	}

	call(): void {
		const args = this.#pop()
		const callee = this.#pop()
		if (!(callee instanceof PickleGlobal) || !Array.isArray(args)) {
			throw refuse(`a name and its arguments before ${this.#at}`, kindOf(callee))
		}
		const call = this.#options.calls.get(callee.name)
		if (call === undefined) throw refuse('a known name', callee.name)
		this.push(call(args))
	}

	persistent(): void {
		const { persistent } = this.#options
		if (persistent === undefined) throw refuse('no persistent ids', 'one')
		this.push(persistent(this.#pop()))
	}

	build(): void {
		const state = this.#pop()
		this.#options.build?.(this.top(), state)
	}
}

const NEWLINE = 0x0a
const STOP = 0x2e
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

type Instruction = (machine: PickleMachine) => void

const INSTRUCTIONS: ReadonlyMap<number, Instruction> = new Map<number, Instruction>([
	// PROTO, FRAME
	[0x80, (m) => void m.u8()],
	[0x95, (m) => void m.u64()],
	// MARK, POP, POP_MARK
	[0x28, (m) => m.push(MARK)],
	[0x30, (m) => void m.pop()],
	[0x31, (m) => void m.popMarked()],
	// NONE, NEWTRUE, NEWFALSE
	[0x4e, (m) => m.push(null)],
	[0x88, (m) => m.push(true)],
	[0x89, (m) => m.push(false)],
	// BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
	[0x4a, (m) => m.push(m.i32())],
	[0x4b, (m) => m.push(m.u8())],
	[0x4d, (m) => m.push(m.u16())],
	[0x8a, (m) => m.push(m.long(m.u8()))],
	[0x8b, (m) => m.push(m.long(m.u32()))],
	[0x47, (m) => m.push(m.f64())],
	// SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
	[0x8c, (m) => m.push(m.text(m.u8()))],
	[0x58, (m) => m.push(m.text(m.u32()))],
	[0x8d, (m) => m.push(m.text(m.u64()))],
	// SHORT_BINBYTES, BINBYTES, BINBYTES8
	[0x43, (m) => m.push(m.bytes(m.u8()))],
	[0x42, (m) => m.push(m.bytes(m.u32()))],
	[0x8e, (m) => m.push(m.bytes(m.u64()))],
	// SHORT_BINSTRING, BINSTRING
	[0x55, (m) => m.push(m.text(m.u8()))],
	[0x54, (m) => m.push(m.text(m.u32()))],
	// EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
	[0x29, (m) => m.push([])],
	[0x85, (m) => m.push([m.pop()])],
	[
		0x86,
		(m) => {
			const b = m.pop()
			m.push([m.pop(), b])
		},
	],
	[
		0x87,
		(m) => {
			const c = m.pop()
			const b = m.pop()
			m.push([m.pop(), b, c])
		},
	],
	[0x74, (m) => m.push(m.popMarked())],
	// EMPTY_LIST, LIST, APPEND, APPENDS
	[0x5d, (m) => m.push([])],
	[0x6c, (m) => m.push(m.popMarked())],
	[0x61, (m) => m.append([m.pop()])],
	[0x65, (m) => m.append(m.popMarked())],
	// EMPTY_DICT, SETITEM, SETITEMS
	[0x7d, (m) => m.push(new Map())],
	[
		0x73,
		(m) => {
			const value = m.pop()
			m.setItems([m.pop(), value])
		},
	],
	[0x75, (m) => m.setItems(m.popMarked())],
	// EMPTY_SET, ADDITEMS
	[0x8f, (m) => m.push([])],
	[0x90, (m) => m.append(m.popMarked())],
	// BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
	[0x71, (m) => m.memoize(m.u8())],
	[0x72, (m) => m.memoize(m.u32())],
	[0x94, (m) => m.memoize()],
	[0x68, (m) => m.recall(m.u8())],
	[0x6a, (m) => m.recall(m.u32())],
	// GLOBAL, STACK_GLOBAL, REDUCE, NEWOBJ, BUILD, BINPERSID
	[0x63, (m) => m.global(m.line(), m.line())],
	[
		0x93,
		(m) => {
			const name = m.pop()
			m.global(m.pop(), name)
		},
	],
	[0x52, (m) => m.call()],
	[0x81, (m) => m.call()],
	[0x62, (m) => m.build()],
	[0x51, (m) => m.persistent()],
])

function kindOf(value: PickleValue): string {
	if (value === null) return 'None'
	if (value instanceof Map) return 'a dict'
	if (Array.isArray(value)) return 'a list'
	return value instanceof PickleGlobal ? value.name : `a ${typeof value}`
}

function refuse(expected: string, found: string): CheckpointError {
	return new CheckpointError(`pickle: expected ${expected}, got ${found}`)
}
