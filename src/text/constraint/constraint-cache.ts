/** What can be made again at the cost of some time. */
interface Cached {
	/** Bytes that it has gathered in use, about. */
	readonly bytes: number
}

/** Entries that are kept, and the sum of their bytes. */
const ENTRY_COUNT_MAX = 64
const BYTES_MAX = 16 * 1024 * 1024
/**
 * For a character of a name, which is the whole specification, about one object of 100 bytes is made. It counts twice,
 * since a collection of garbage looks at every object.
 */
const BYTES_PER_CHARACTER = 200

/** The most recently used things, by their owner and name; they do not keep their owner alive. */
export class ConstraintCache<Owner extends object, Thing extends Cached> {
	readonly #ids = new WeakMap<Owner, number>()
	/** Least recently used first. */
	readonly #things = new Map<string, { readonly owner: WeakRef<Owner>; readonly thing: Thing }>()
	/** What is being made. */
	readonly #pending = new Map<string, Promise<Thing>>()
	#lastId = 0

	/** The thing of this name, made if it is not there; once, however many ask meanwhile. */
	async get(owner: Owner, name: string, make: () => Promise<Thing>): Promise<Thing> {
		let id = this.#ids.get(owner)
		if (id === undefined) {
			id = ++this.#lastId
			this.#ids.set(owner, id)
		}
		const key = `${id} ${name}`
		const known = this.#things.get(key)?.thing
		const thing = known ?? (await this.#make(key, make))
		this.#things.delete(key)
		this.#things.set(key, { owner: new WeakRef(owner), thing })
		this.#evict(key)
		return thing
	}

	#make(key: string, make: () => Promise<Thing>): Promise<Thing> {
		const pending = this.#pending.get(key) ?? make().finally(() => this.#pending.delete(key))
		this.#pending.set(key, pending)
		return pending
	}

	/** All but the thing at hand may go. */
	#evict(keptKey: string): void {
		let bytes = 0
		let count = 0
		for (const [key, { owner, thing }] of [...this.#things].reverse()) {
			bytes += thing.bytes + BYTES_PER_CHARACTER * key.length
			count++
			const isGone = owner.deref() === undefined
			if (key !== keptKey && (isGone || bytes > BYTES_MAX || count > ENTRY_COUNT_MAX)) {
				this.#things.delete(key)
			}
		}
	}
}
