import { type FSWatcher, watch } from 'node:fs'

/**
 * Watches a directory and everything below it. The watcher follows an inode: when another directory
 * has taken the path, `follow` starts a new one. Where watching is impossible it stays silent; the
 * owner's periodic rescan covers that.
 */
export class DirectoryWatch {
	readonly #path: string
	readonly #onChange: (name: string | null) => void
	#watcher: FSWatcher | null = null
	#inode: string | null = null

	/** `onChange` gets the first path segment of what changed, or null when that is not known. */
	constructor(path: string, onChange: (name: string | null) => void) {
		this.#path = path
		this.#onChange = onChange
	}

	/** Makes sure that the directory with this inode is the one being watched. */
	follow(inode: string): void {
		if (this.#watcher !== null && this.#inode === inode) return
		this.close()
		try {
			const watcher = watch(this.#path, { recursive: true }, (_event, filename) => {
				// Bun leaves the name out when the directory itself has gone.
				this.#onChange(typeof filename === 'string' ? (filename.split('/', 1)[0] ?? null) : null)
			})
			watcher.on('error', () => this.close())
			watcher.unref()
			this.#watcher = watcher
			this.#inode = inode
		} catch {
			this.close()
		}
	}

	close(): void {
		this.#watcher?.close()
		this.#watcher = null
		this.#inode = null
	}
}
