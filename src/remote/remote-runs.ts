/* Runs in an object store: what is there, bringing it here, publishing. */
import { createReadStream } from 'node:fs'
import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../lib/fault.ts'
import { ObjectStoreError } from './bucket.ts'
import { download } from './download.ts'
import {
	digestOf,
	fileKey,
	HEAD_BYTES_MAX,
	type Head,
	headKey,
	parseHead,
	type RemoteFile,
	RUNS,
	stepOfFiles,
} from './head.ts'
import type { ObjectStore } from './object-store.ts'

/** A HEAD.json, and the ETag that tells when it changes. */
export interface HeadState {
	readonly head: Head
	readonly etag: string
}

/** How publishing has ended. */
export interface Published {
	readonly head: Head
	/** False when the run goes on serving a higher step. */
	readonly isServed: boolean
	readonly etag: string | null
}

/** When somebody else has published meanwhile, publishing can be tried again after this long. */
const CONFLICT_RETRY_SECONDS = 1
const OUTAGE_RETRY_SECONDS = 10

export class RemoteRuns {
	readonly #objects: ObjectStore

	constructor(objects: ObjectStore) {
		this.#objects = objects
	}

	names(): Promise<string[]> {
		return this.#objects.directories(RUNS)
	}

	/** The run's head, `same` when it still has that ETag, `gone` when there is none. Throws ObjectStoreError. */
	async head(name: string, etag?: string): Promise<HeadState | 'same' | 'gone'> {
		const lookup = await this.#objects.get(headKey(name), { etag, bytesMax: HEAD_BYTES_MAX })
		if (lookup.type !== 'found') return lookup.type
		const head = parseHead(lookup.text)
		if (head === null) throw new ObjectStoreError(`${headKey(name)} is not what a publisher writes`)
		return { head, etag: lookup.etag }
	}

	/**
	 * Downloads one file of a run to `path`; what an earlier call has left there is used. Throws
	 * ObjectStoreError when it is not the file that was published.
	 */
	download(name: string, head: Head, file: RemoteFile, path: string): Promise<void> {
		return download({ objects: this.#objects, key: fileKey(name, head, file.path), file }, path)
	}

	/**
	 * Publishes files of a run, which `paths` names relative to `directory`, as its step. Of two who
	 * publish at once one succeeds, the other gets Fault `conflict`; Fault `overloaded` when the store
	 * cannot be reached. Can be repeated.
	 */
	publish(name: string, directory: string, paths: readonly string[]): Promise<Published> {
		return this.#answered(() => this.#publish(name, directory, paths))
	}

	async #publish(name: string, directory: string, paths: readonly string[]): Promise<Published> {
		const files = await describeFiles(directory, paths)
		const step = stepOfFiles(files.map(({ path }) => path))
		if (step === null) throw new Fault('invalid', 'expected the checkpoint of one step')
		const head: Head = { step, digest: digestOf(files), files }
		const before = await this.head(name)
		if (typeof before !== 'string') {
			if (before.head.digest === head.digest) return { head, isServed: true, etag: before.etag }
			if (before.head.step > step) return { head: before.head, isServed: false, etag: before.etag }
		}
		if (files.some(({ bytes }) => this.#objects.isLarge(bytes))) {
			await this.#objects.clearAbandoned(`${RUNS}${name}/`)
		}
		for (const { path } of files) {
			// Not to be written is to be there already: the key is made of the contents.
			const body = Bun.file(join(directory, path))
			await this.#objects.put(fileKey(name, head, path), body, { type: 'absent' })
		}
		const etag = await this.#objects.put(
			headKey(name),
			`${JSON.stringify(head, null, '\t')}\n`,
			typeof before === 'string' ? { type: 'absent' } : { type: 'unchanged', etag: before.etag },
		)
		if (etag !== null) return { head, isServed: true, etag }
		const message = `Somebody else has published '${name}' at this moment.`
		throw new Fault('conflict', message, { retrySeconds: CONFLICT_RETRY_SECONDS })
	}

	/** Takes a run out of service for everybody; its files stay. Throws Fault `overloaded`. */
	remove(name: string): Promise<void> {
		return this.#answered(() => this.#objects.delete(headKey(name)))
	}

	/** Turns what the store does not do into a Fault. */
	async #answered<T>(work: () => Promise<T>): Promise<T> {
		try {
			return await work()
		} catch (error) {
			if (!(error instanceof ObjectStoreError)) throw error
			const message = `The object store does not take it: ${error.message}.`
			throw new Fault('overloaded', message, { retrySeconds: OUTAGE_RETRY_SECONDS, cause: error })
		}
	}
}

/** Size and digest of files, and of those inside of directories. */
export async function describeFiles(
	directory: string,
	paths: readonly string[],
): Promise<RemoteFile[]> {
	const files: RemoteFile[] = []
	for (const path of paths) {
		const stat = await lstat(join(directory, path))
		if (stat.isDirectory()) {
			const names = (await readdir(join(directory, path))).sort()
			files.push(
				...(await describeFiles(
					directory,
					names.map((name) => `${path}/${name}`),
				)),
			)
			continue
		}
		const hash = new Bun.CryptoHasher('sha256')
		let bytes = 0
		for await (const piece of createReadStream(join(directory, path))) {
			hash.update(piece as Uint8Array)
			bytes += (piece as Uint8Array).length
		}
		files.push({ path, bytes, sha256: hash.digest('hex') })
	}
	return files
}
