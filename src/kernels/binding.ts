/**
 * The kernel library as TypeScript functions: kernels.h line by line; a test compares names, types,
 * parameters and constants. The only file that imports bun:ffi. Pointers are numbers (computed once by `pointerOf`, a call then costs some 10 ns); 64-bit
 * arguments and results are numbers too, `i64_fast` never makes a BigInt below 2^53.
 */

import { dlopen, type FFIFunction, FFIType, type Pointer, ptr, read } from 'bun:ffi'
import { closeSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

const { ptr: pointer, cstring, i32, i64_fast: i64, f32, f64, void: none } = FFIType

function returns(type: FFIType, ...args: FFIType[]): FFIFunction {
	return { args, returns: type }
}

/** Per function: the result's type first, then the arguments'. */
export const kernelSymbols: Readonly<Record<string, FFIFunction>> = {
	select: returns(i32, pointer),
	isa_name: returns(cstring),
	isa_list: returns(cstring),
	isa_supported: returns(i32, pointer),
	threads_set: returns(i32, i32),
	threads: returns(i32),
	threads_use: returns(i32, i32),
	short_turns: returns(i32),
	watch_thread: returns(i32),
	thread_stack: returns(i32, i32, pointer, i32),
	advise_huge_pages: returns(none, pointer, i64),
	release_pages: returns(none, pointer, i64),
	release_program: returns(none),
	packed_bytes: returns(i64, i32, i32, i32),
	pack: returns(none, i32, pointer, pointer, i32, i32, i32),
	pack_inputs: returns(none, i32, pointer, pointer, i64, i32, i32, i32, i32, i32),
	first_nonfinite: returns(i64, pointer, i64),
	parse_json_floats: returns(i64, pointer, i64, i32, pointer, i64, pointer),
	read_ggml: returns(i32, i32, pointer, pointer, i64),
	matmul_scratch_bytes: returns(i64, i32, i32, i32),
	matmul: returns(
		none,
		i32,
		pointer,
		i64,
		pointer,
		i64,
		pointer,
		pointer,
		i32,
		i32,
		i32,
		i32,
		pointer,
	),
	embed: returns(none, pointer, i64, pointer, pointer, pointer, pointer, i32, i32),
	layer_norm: returns(none, pointer, i64, pointer, i64, pointer, pointer, pointer, i32, i32, f32),
	rms_norm: returns(none, pointer, i64, pointer, i64, pointer, pointer, i32, i32, i32, f32),
	soft_cap: returns(none, pointer, i64, i32, i32, f32),
	mix: returns(none, pointer, i64, pointer, i64, pointer, i64, pointer, pointer, f32, i32, i32),
	add_gated: returns(
		none,
		pointer,
		i64,
		pointer,
		i64,
		pointer,
		i64,
		pointer,
		pointer,
		f32,
		i32,
		i32,
		i32,
		i32,
	),
	kv_layer_bytes: returns(i64, i32, i32, i32),
	rotary: returns(none, pointer, i64, pointer, pointer, i32, i32, i32, i32, i32),
	kv_store: returns(none, i32, pointer, i64, pointer, pointer, i64, pointer, i32, i32, i32),
	attention_scratch_bytes: returns(i64, i32),
	attention: returns(
		none,
		pointer,
		i64,
		pointer,
		i64,
		i32,
		pointer,
		i64,
		pointer,
		i32,
		pointer,
		i32,
		i32,
		i32,
		i32,
		f32,
		f32,
		pointer,
	),
	activation: returns(none, i32, pointer, i64, i32, i32, pointer, pointer, i32),
	mask_logits: returns(none, pointer, pointer, i32),
	log_sum_exp: returns(f64, pointer, i32),
	top_k: returns(none, pointer, i32, i32, pointer, pointer),
	sample_scratch_bytes: returns(i64, i32),
	sample: returns(
		none,
		pointer,
		pointer,
		i64,
		i32,
		i32,
		pointer,
		pointer,
		pointer,
		pointer,
		pointer,
		pointer,
		pointer,
		pointer,
		pointer,
	),
	uniform: returns(f64, i64, i32, i32),
	measure_read: returns(f32, pointer, i64),
	measure_fma: returns(f64, i64),
	measure_tile: returns(f64, i64),
	measure_dot: returns(f64, i64, i32),
}

/** Address in this process's memory; 0 is NULL. */
export type Address = number

/** The functions of kernels.h, whose comments are their contract. Strings come back as strings. */
export interface Kernels {
	/** 0, -1 unknown name, -2 not supported by this processor. '' = the best one. */
	select(name: string): number
	isaName(): string
	/** Names compiled into the library, best first. */
	isaList(): string[]
	isaSupported(name: string): boolean
	threadsSet(nThreads: number): number
	threads(): number
	threadsUse(nThreads: number): number
	shortTurns(): number
	watchThread(): number
	threadStack(thread: number, addresses: Address, max: number): number
	adviseHugePages(start: Address, bytes: number): void
	releasePages(start: Address, bytes: number): void
	releaseProgram(): void
	packedBytes(dtype: number, k: number, n: number): number
	pack(
		dtype: number,
		dst: Address,
		src: Address,
		columnStart: number,
		nSrc: number,
		k: number,
	): void
	packInputs(
		dtype: number,
		dst: Address,
		src: Address,
		lds: number,
		inputStart: number,
		nSrc: number,
		columnStart: number,
		nColumns: number,
		k: number,
	): void
	firstNonfinite(x: Address, count: number): number
	parseJsonFloats(
		text: Address,
		length: number,
		isLast: number,
		out: Address,
		outMax: number,
		consumed: Address,
	): number
	readGgml(type: number, out: Address, input: Address, blocks: number): number
	matmulScratchBytes(dtype: number, m: number, k: number): number
	matmul(
		dtype: number,
		out: Address,
		ldo: number,
		x: Address,
		ldx: number,
		w: Address,
		bias: Address,
		m: number,
		k: number,
		n: number,
		accumulate: number,
		scratch: Address,
	): void
	embed(
		x: Address,
		ldx: number,
		wte: Address,
		wpe: Address,
		ids: Address,
		positions: Address,
		m: number,
		d: number,
	): void
	layerNorm(
		out: Address,
		ldo: number,
		x: Address,
		ldx: number,
		rows: Address,
		weight: Address,
		bias: Address,
		m: number,
		d: number,
		epsilon: number,
	): void
	rmsNorm(
		out: Address,
		ldo: number,
		x: Address,
		ldx: number,
		rows: Address,
		weight: Address,
		m: number,
		nGroups: number,
		d: number,
		epsilon: number,
	): void
	softCap(x: Address, ldx: number, m: number, d: number, cap: number): void
	mix(
		out: Address,
		ldo: number,
		x: Address,
		ldx: number,
		y: Address,
		ldy: number,
		xFactor: Address,
		yFactor: Address,
		ySign: number,
		m: number,
		d: number,
	): void
	addGated(
		x: Address,
		ldx: number,
		y: Address,
		ldy: number,
		inputs: Address,
		ldi: number,
		gates: Address,
		factor: Address,
		scale: number,
		m: number,
		nInputs: number,
		nGroups: number,
		d: number,
	): void
	rotary(
		x: Address,
		ldx: number,
		positions: Address,
		table: Address,
		m: number,
		nHead: number,
		dHead: number,
		nRotary: number,
		isInterleaved: number,
	): void
	kvLayerBytes(kvDtype: number, nKvHead: number, dHead: number): number
	kvStore(
		kvDtype: number,
		kv: Address,
		blockStride: number,
		k: Address,
		v: Address,
		ldkv: number,
		slots: Address,
		m: number,
		nKvHead: number,
		dHead: number,
	): void
	attentionScratchBytes(maxContext: number): number
	attention(
		out: Address,
		ldo: number,
		q: Address,
		ldq: number,
		kvDtype: number,
		kv: Address,
		blockStride: number,
		spans: Address,
		nSpans: number,
		tables: Address,
		nHead: number,
		nKvHead: number,
		dHead: number,
		window: number,
		scale: number,
		softCap: number,
		scratch: Address,
	): void
	activation(
		activation: number,
		u: Address,
		ldu: number,
		m: number,
		f: number,
		params: Address,
		program: Address,
		nOps: number,
	): void
	maskLogits(logits: Address, mask: Address, vocab: number): void
	logSumExp(logits: Address, vocab: number): number
	topK(logits: Address, vocab: number, k: number, ids: Address, values: Address): void
	sampleScratchBytes(vocab: number): number
	sample(
		outIds: Address,
		logits: Address,
		ldl: number,
		vocab: number,
		n: number,
		rows: Address,
		temperatures: Address,
		topKs: Address,
		topPs: Address,
		minPs: Address,
		seeds: Address,
		choices: Address,
		counters: Address,
		scratch: Address,
	): void
	uniform(seed: number, choice: number, counter: number): number
	measureRead(buffer: Address, bytes: number): number
	measureFma(iterations: number): number
	measureTile(iterations: number): number
	measureDot(iterations: number, hasScales: number): number
}

/** Number formats of packed weights, as the kernels number them. */
export const kernelDtypes = { f32: 0, bf16: 1, int8: 2 } as const

/** Activations, as the kernels number them. */
export const kernelActivations = {
	gelu: 0,
	silu: 1,
	relu: 2,
	swiglu: 3,
	universal: 4,
	kan_spline: 5,
	composed: 6,
	gelu_erf: 7,
	relu_squared: 8,
	geglu: 9,
	geglu_erf: 10,
	reglu: 11,
	reglu_squared: 12,
} as const

/** Instructions of a composed activation's postfix program. */
export const kernelOps = {
	silu: 0,
	relu: 1,
	gelu: 2,
	identity: 3,
	square: 4,
	scale: 5,
	add: 6,
	mul: 7,
} as const

/** Columns of a weight panel: leading dimensions of activations are multiples of it. */
export const panelColumns = 64

/** Tokens of a KV block. */
export const kvBlockTokens = 32

/** Threads of the pool, the caller included. */
export const threadsMax = 64

/** Values that a composed activation's program may stack. */
export const activationStackMax = 16

/** Instruction sets of all processors that the library is built for; `isaList` has this one's. */
export const instructionSets = [
	'scalar',
	'avx2',
	'avx_vnni',
	'avx512',
	'amx',
	'neon',
	'neon_dotprod',
] as const

/** Opens the library at `path`; throws what the system's loader says when it cannot. */
export function openKernels(path: string): Kernels {
	const table = Object.entries(kernelSymbols).map(
		([name, type]) => [`kernels_${name}`, type] as const,
	)
	const library = dlopen(path, Object.fromEntries(table)).symbols
	const call = Object.fromEntries(
		Object.keys(kernelSymbols).map((name) => [camelCase(name), library[`kernels_${name}`]]),
	) as unknown as Kernels & RawStrings
	const { select, isaName, isaList, isaSupported } = call as RawStrings
	return {
		...call,
		select: (isa: string) => select(cString(isa)),
		isaName: () => String(isaName()),
		isaList: () => String(isaList()).split(','),
		isaSupported: (isa: string) => isaSupported(cString(isa)) === 1,
	}
}

/** Descriptor of a new, empty file that exists only in memory; throws where the system has none. */
export function createMemoryFile(): number {
	if (!isLinux) throw new Error('the system has no memory files')
	const closeOnExec = 1
	const fd = openLibc().memfd_create(cString('libkernels.so'), closeOnExec)
	if (fd < 0) throw new Error('the system refuses memory files')
	return fd
}

/** Functions of the C library that Bun has no words for. */
interface Libc {
	memfd_create(name: Uint8Array, flags: number): number
	flock(fd: number, operation: number): number
	fcntl(fd: number, command: number, argument: number): number
	signal(signal: number, handler: number): number
	getsockopt(fd: number, level: number, name: number, value: Int32Array, size: Uint32Array): number
	setsockopt(fd: number, level: number, name: number, value: Int32Array, size: number): number
	epoll_ctl(epollFd: number, operation: number, fd: number, event: Uint8Array): number
	dup3(source: number, target: number, flags: number): number
	getsockname(fd: number, address: Uint8Array, size: Uint32Array): number
	socket(domain: number, type: number, protocol: number): number
	execve(path: Uint8Array, argv: BigUint64Array, env: BigUint64Array): number
	sendto(
		fd: number,
		bytes: Uint8Array,
		length: number,
		flags: number,
		address: Uint8Array,
		addressLength: number,
	): bigint
	__errno_location(): number
}

let libc: Libc | null = null

/** What follows asks Linux; elsewhere the answers are those of a system that does not tell. */
const isLinux = process.platform === 'linux'

/** Opens the C library, once; like the kernels, before other threads open libraries. */
function openLibc(): Libc {
	libc ??= dlopen('libc.so.6', {
		memfd_create: { args: ['ptr', 'u32'], returns: 'i32' },
		flock: { args: ['i32', 'i32'], returns: 'i32' },
		fcntl: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
		signal: { args: ['i32', 'u64'], returns: 'u64' },
		getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
		setsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'u32'], returns: 'i32' },
		epoll_ctl: { args: ['i32', 'i32', 'i32', 'ptr'], returns: 'i32' },
		dup3: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
		getsockname: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
		socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
		execve: { args: ['ptr', 'ptr', 'ptr'], returns: 'i32' },
		sendto: { args: ['i32', 'ptr', 'u64', 'i32', 'ptr', 'u32'], returns: 'i64' },
		__errno_location: { args: [], returns: 'ptr' },
	}).symbols as unknown as Libc
	return libc
}

/**
 * Locks a file for as long as this descriptor is open; the kernel drops the lock with the process,
 * whatever its number and wherever it ran. False when another descriptor holds it, null where there are
 * no locks.
 */
export function tryLockFile(fd: number): boolean | null {
	if (!isLinux) return null
	const { flock, __errno_location } = openLibc()
	const [exclusiveNow, wouldBlock] = [2 | 4, 11]
	if (flock(fd, exclusiveNow) === 0) return true
	return read.i32(__errno_location() as Pointer, 0) === wouldBlock ? false : null
}

/**
 * Whether some process has the file open for writing, told by asking for a read lease. Null where the
 * kernel does not say: on network file systems, and for files of other users.
 */
export function isOpenForWriting(readOnlyFd: number): boolean | null {
	if (!isLinux) return null
	const { fcntl, signal, __errno_location } = openLibc()
	const [setLease, readLease, noLease, wouldBlock] = [1024, 0, 2, 11]
	// Whoever opens the file for writing meanwhile has us told by a signal that would end the process.
	const [leaseBroken, ignore] = [29, 1]
	signal(leaseBroken, ignore)
	if (fcntl(readOnlyFd, setLease, readLease) === 0) {
		fcntl(readOnlyFd, setLease, noLease)
		return false
	}
	return read.i32(__errno_location() as Pointer, 0) === wouldBlock ? true : null
}

/** Socket options of `sys/socket.h` and their level. */
const socketOptions = { level: 1, sendBuffer: 7, isListening: 30 } as const

/** Whether the descriptor is a socket that accepts connections. */
export function isListeningSocket(fd: number): boolean {
	const { level, isListening } = socketOptions
	const value = new Int32Array(1)
	const hasAnswered = openLibc().getsockopt(fd, level, isListening, value, new Uint32Array([4]))
	return hasAnswered === 0 && value[0] === 1
}

/**
 * Bounds what the kernel holds of a socket's unread bytes, which it else lets grow by itself. Connections
 * take the bound over from the socket that accepts them. False where the kernel refuses.
 */
export function setSendBuffer(fd: number, bytes: number): boolean {
	const { level, sendBuffer } = socketOptions
	return openLibc().setsockopt(fd, level, sendBuffer, new Int32Array([bytes]), 4) === 0
}

/** How an event loop watches a descriptor, as `/proc/self/fdinfo` of its epoll descriptor tells. */
export interface Watch {
	readonly epollFd: number
	readonly fd: number
	/** Bits of `epoll_event.events`. */
	readonly events: number
	/** What the loop knows the descriptor by. */
	readonly data: bigint
}

/** Changes what a loop is told of a descriptor that it watches already. False where the kernel refuses. */
export function setWatch(watch: Watch): boolean {
	const modify = 3
	return controlWatch(modify, watch)
}

/** Has a loop watch a descriptor that it does not watch. False where the kernel refuses. */
export function addWatch(watch: Watch): boolean {
	const add = 1
	return controlWatch(add, watch)
}

function controlWatch(operation: number, { epollFd, fd, events, data }: Watch): boolean {
	// The structure is packed on x86-64 only.
	const [bytes, dataAt] = process.arch === 'x64' ? [12, 4] : [16, 8]
	const event = new DataView(new ArrayBuffer(bytes))
	event.setUint32(0, events, true)
	event.setBigUint64(dataAt, data, true)
	return openLibc().epoll_ctl(epollFd, operation, fd, new Uint8Array(event.buffer)) === 0
}

/** Another descriptor of the same open file; no child inherits it. Throws where there is none left. */
export function duplicateDescriptor(fd: number): number {
	const duplicateForUs = 1030
	const duplicate = openLibc().fcntl(fd, duplicateForUs, 0)
	if (duplicate < 0) throw new Error(`descriptor ${fd} cannot be duplicated`)
	return duplicate
}

/** Has calls on what the descriptor is return at once instead of waiting. */
export function setNonBlocking(fd: number): void {
	const { fcntl } = openLibc()
	const [getFlags, setFlags, nonBlocking] = [3, 4, 0o4000]
	fcntl(fd, setFlags, fcntl(fd, getFlags, 0) | nonBlocking)
}

/** Makes `target` another descriptor of what `source` is, closing what it was. False where the kernel refuses. */
export function replaceDescriptor(target: number, source: number): boolean {
	const closeOnExec = 0o2000000
	return openLibc().dup3(source, target, closeOnExec) === target
}

/** Where a socket listens; null when it is no socket of the internet. */
export function socketAddress(fd: number): { readonly host: string; readonly port: number } | null {
	const [ipv4, ipv6] = [2, 10]
	const address = new DataView(new ArrayBuffer(28))
	const bytes = new Uint8Array(address.buffer)
	if (openLibc().getsockname(fd, bytes, new Uint32Array([bytes.length])) !== 0) return null
	const family = address.getUint16(0, true)
	const port = address.getUint16(2)
	if (family === ipv4) return { host: bytes.subarray(4, 8).join('.'), port }
	if (family !== ipv6) return null
	const groups = Array.from({ length: 8 }, (_, i) => address.getUint16(8 + 2 * i).toString(16))
	return { host: new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1), port }
}

/** Sends a text to a local datagram socket; a path that begins with @ is an abstract name. False where nobody takes it. */
export function sendDatagram(path: string, text: string): boolean {
	const [local, datagram, closeOnExec] = [1, 2, 0o2000000]
	const [noSignal, withoutWaiting] = [0x4000, 0x40]
	const name = new TextEncoder().encode(path.replace(/^@/, '\0'))
	const address = new Uint8Array(2 + name.length)
	address[0] = local
	address.set(name, 2)
	const { socket, sendto } = openLibc()
	const fd = socket(local, datagram | closeOnExec, 0)
	if (fd < 0) return false
	const bytes = new TextEncoder().encode(text)
	const sent = sendto(fd, bytes, bytes.length, noSignal | withoutWaiting, address, address.length)
	closeSync(fd)
	return Number(sent) === bytes.length
}

/** Has the signal end the process, whoever listens for it. Those who do have to listen anew to hear of it again. */
export function endOnSignal(signal: number): void {
	const defaultAction = 0
	openLibc().signal(signal, defaultAction)
}

/**
 * Starts this program anew in its process, with the same arguments, and with open files, pipes and sockets. Returns
 * only where the system refuses.
 */
export function restartProcess(env: Readonly<Record<string, string | undefined>>): void {
	if (!isLinux) return
	keepDescriptors()
	// Not process.argv, which has paths of Bun's own.
	const argv = readFileSync('/proc/self/cmdline', 'utf8').split('\0').slice(0, -1)
	const variables = Object.entries(env).map(([name, value]) => `${name}=${value ?? ''}`)
	const lists = [argv, variables].map((texts) => texts.map(cString))
	const [arguments_, environment] = lists.map((list) =>
		BigUint64Array.from([...list.map((text) => BigInt(pointerOf(text))), 0n]),
	)
	openLibc().execve(cString(process.execPath), arguments_!, environment!)
	// Until here what the addresses point to must not be collected.
	lists.length = 0
}

/** Bun has all of them closed on exec, what we were started with too: a socket to listen on, a pipe with settings. */
function keepDescriptors(): void {
	const setDescriptorFlags = 2
	for (const name of readdirSync('/proc/self/fd')) {
		// Queues and timers of the runtime are of no use to the next one.
		if (!descriptorTarget(name).startsWith('anon_inode:'))
			openLibc().fcntl(Number(name), setDescriptorFlags, 0)
	}
}

function descriptorTarget(name: string): string {
	try {
		return readlinkSync(`/proc/self/fd/${name}`)
	} catch {
		// The one that listed them.
		return ''
	}
}

/**
 * Address of an array's first element. Valid while the caller keeps the array reachable; the array
 * must not be empty. Plain and shared memory.
 */
export function pointerOf(array: NodeJS.TypedArray): Address {
	// Short arrays live inside the garbage-collected heap until somebody asks for their buffer.
	void array.buffer
	return ptr(array) as number
}

/** The four functions that need a conversion, as the library has them. */
interface RawStrings {
	select(isa: Uint8Array): number
	isaName(): unknown
	isaList(): unknown
	isaSupported(isa: Uint8Array): number
}

function camelCase(name: string): string {
	return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

function cString(text: string): Uint8Array {
	return new TextEncoder().encode(`${text}\0`)
}
