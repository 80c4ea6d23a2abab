import { type FSWatcher, watch } from 'node:fs'
import { sep } from 'node:path'

/**
 * Watches a directory and everything below it. The watcher follows an inode: when another directory
 * has taken the path, `follow` starts a new one. Where watching is impossible it stays silent; the
 * owner's own looks cover that.
 */
export class DirectoryWatch {
	readonly #path: string
	readonly #onChange: (name: string | null, file: string) => void
	#watcher: FSWatcher | null = null
	#identity: string | null = null

	/**
	 * `onChange` gets the first path segment of what changed, or null when that is not known, and the
	 * second one, '' for none.
	 */
	constructor(path: string, onChange: (name: string | null, file: string) => void) {
		this.#path = path
		this.#onChange = onChange
	}

	/** Makes sure that the directory of this identity is the one being watched; true when it was not. */
	follow(identity: string): boolean {
		if (this.#identity === identity) return false
		this.close()
		this.#identity = identity
		try {
			const watcher = watch(this.#path, { recursive: true }, (_event, filename) => {
				if (typeof filename === 'string') {
					const [name = null, file = ''] = filename.split(sep, 2)
					this.#onChange(name, file)
					return
				}
				// Bun leaves the name out when the directory itself has gone; its inode may come again.
				this.close()
				this.#onChange(null, '')
			})
			watcher.on('error', () => this.close())
			watcher.unref()
			this.#watcher = watcher
		} catch {
			// The owner looks by itself.
		}
		return true
	}

	close(): void {
		this.#watcher?.close()
		this.#watcher = null
		this.#identity = null
	}
}
