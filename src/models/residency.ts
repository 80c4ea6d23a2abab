/*
 * Which models are in memory: loaded on first use, once however many ask, within a budget of bytes,
 * least recently used out first, never one in use. Knows neither files nor the engine.
 */
import { assert } from '../lib/assert.ts'
import { Fault } from '../lib/fault.ts'

/** How to bring a model into memory and out of it. */
export interface Loading<Model> {
	/** Bytes that the model will take, known before anything is allocated. */
	estimateBytes(): Promise<number>
	load(): Promise<Model>
}

/** A model held in memory until `release`. */
export interface Pin<Model> {
	readonly model: Model
	release(): void
}

export interface ResidentModel<Model> {
	readonly key: string
	/** Undefined while it is being loaded. */
	readonly model: Model | undefined
	readonly bytes: number
	readonly pins: number
}

interface Entry<Model> extends ResidentModel<Model> {
	readonly promise: Promise<Model>
	model: Model | undefined
	bytes: number
	pins: number
	lastUse: number
	/** Nobody will ask for it again: goes as soon as nobody uses it. */
	isStale: boolean
}

/** Each request has one as long as it waits or runs: closures would keep much more. */
class EntryPin<Model> implements Pin<Model> {
	readonly model: Model
	readonly #unpin: (entry: Entry<Model>) => void
	#entry: Entry<Model> | null

	constructor(model: Model, entry: Entry<Model>, unpin: (entry: Entry<Model>) => void) {
		this.model = model
		this.#entry = entry
		this.#unpin = unpin
	}

	release(): void {
		const entry = this.#entry
		this.#entry = null
		if (entry !== null) this.#unpin(entry)
	}
}

export interface ResidencyOptions<Model> {
	readonly bytesMax: number
	readonly unload: (model: Model) => Promise<void>
	/** Called when a model comes, is there, or goes. */
	readonly changed: () => void
}

const RETRY_SECONDS = 2
const MIB = 2 ** 20

export class Residency<Model> {
	readonly #options: ResidencyOptions<Model>
	readonly #entries = new Map<string, Entry<Model>>()
	#clock = 0

	constructor(options: ResidencyOptions<Model>) {
		this.#options = options
	}

	/** Bytes of everything loaded or being loaded. */
	get bytes(): number {
		let sum = 0
		for (const entry of this.#entries.values()) sum += entry.bytes
		return sum
	}

	list(): ResidentModel<Model>[] {
		return [...this.#entries.values()]
	}

	/** The model of this key, if it is in memory or on its way. */
	find(key: string): ResidentModel<Model> | undefined {
		return this.#entries.get(key)
	}

	/**
	 * Pins the model of this key, loading it if necessary. Throws Fault `no-room` when it can never
	 * fit, `overloaded` when models in use leave no room, and whatever `load` throws.
	 */
	async acquire(key: string, loading: Loading<Model>): Promise<Pin<Model>> {
		const entry = this.#entries.get(key) ?? this.#start(key, loading)
		entry.pins++
		try {
			const model = await entry.promise
			entry.lastUse = ++this.#clock
			return new EntryPin(model, entry, this.#unpin)
		} catch (error) {
			entry.pins--
			throw error
		}
	}

	/** Takes a model out of memory: at once, or as soon as nobody uses it. */
	async drop(key: string): Promise<void> {
		const entry = this.#entries.get(key)
		if (!entry) return
		entry.isStale = true
		if (entry.pins === 0 && entry.model !== undefined) await this.#evict(entry)
	}

	#start(key: string, loading: Loading<Model>): Entry<Model> {
		const load = async () => {
			const bytes = await loading.estimateBytes()
			await this.#makeRoom(entry, bytes)
			const model = await loading.load()
			entry.model = model
			this.#options.changed()
			return model
		}
		const promise = Promise.resolve().then(load)
		const entry: Entry<Model> = {
			key,
			promise,
			model: undefined,
			bytes: 0,
			pins: 0,
			lastUse: 0,
			isStale: false,
		}
		this.#entries.set(key, entry)
		this.#options.changed()
		promise.catch(() => this.#forget(entry))
		return entry
	}

	/** Reserves in the same turn in which it found room: another load may be looking too. */
	async #makeRoom(entry: Entry<Model>, bytes: number): Promise<void> {
		const { bytesMax } = this.#options
		if (bytes > bytesMax) {
			throw new Fault(
				'no-room',
				`The model needs ${mebibytes(bytes)}, but models may use ${mebibytes(bytesMax)} in all.`,
			)
		}
		while (this.bytes + bytes > bytesMax) {
			const oldest = [...this.#entries.values()]
				.filter((other) => other.pins === 0 && other.model !== undefined)
				.sort((a, b) => a.lastUse - b.lastUse)[0]
			if (!oldest) {
				const inUse = `${mebibytes(this.bytes)} of ${mebibytes(bytesMax)} are in use`
				const message = `The model needs ${mebibytes(bytes)}, but ${inUse} by other models.`
				throw new Fault('overloaded', message, { retrySeconds: RETRY_SECONDS })
			}
			await this.#evict(oldest)
		}
		entry.bytes = bytes
	}

	readonly #unpin = (entry: Entry<Model>): void => {
		entry.pins--
		assert(entry.pins >= 0, 'a model is released as often as it was acquired')
		if (entry.isStale && entry.pins === 0) void this.#evict(entry)
	}

	async #evict(entry: Entry<Model>): Promise<void> {
		this.#forget(entry)
		if (entry.model !== undefined) await this.#options.unload(entry.model)
	}

	#forget(entry: Entry<Model>): void {
		if (this.#entries.get(entry.key) !== entry) return
		this.#entries.delete(entry.key)
		this.#options.changed()
	}
}

function mebibytes(bytes: number): string {
	return `${Math.ceil(bytes / MIB)} MiB`
}
