/*
 * One object into a file: in ranges at the same time, all of one version, from where an earlier try was
 * cut. A store that gives no such ranges is asked for the whole.
 */
import { forEachAtOnce } from '../lib/at-once.ts'
import { ObjectStoreError } from './bucket.ts'
import type { RemoteFile } from './head.ts'
import type { ObjectStore } from './object-store.ts'
import { type Gap, PartialFile } from './partial-file.ts'

const RANGES_AT_ONCE = 4

/** What is fetched, and from where. */
export interface Source {
	readonly objects: ObjectStore
	readonly key: string
	readonly file: RemoteFile
}

/**
 * Fetches what `path` lacks of an object. When that fails, what has come stays there and the next call
 * goes on. Throws ObjectStoreError, also for bytes that are not those of `file`: of these nothing stays.
 */
export async function download(source: Source, path: string): Promise<void> {
	const { key, file } = source
	await using partial = await PartialFile.open(path, file.bytes)
	try {
		for (;;) {
			const before = partial.bytesHere
			try {
				await fetchGaps(source, partial)
				break
			} catch (error) {
				// Cut on its way: it goes on at once, as long as each try brings something.
				if (!(error instanceof ObjectStoreError) || partial.bytesHere <= before) throw error
			}
		}
	} finally {
		await partial.note()
	}
	if ((await partial.digest()) === file.sha256) return
	await partial.clear()
	throw new ObjectStoreError(`get ${key}: its bytes are not those that were published`)
}

async function fetchGaps(source: Source, partial: PartialFile): Promise<void> {
	const gaps = partial.gaps()
	const isPart = partial.bytesHere > 0 || gaps.length > 1
	if (isPart && (await fetchRanges(source, gaps, partial))) return
	if (isPart) await partial.clear()
	await fetchWhole(source, partial)
}

/** False when the store gives something else than ranges of one version. */
async function fetchRanges(
	source: Source,
	gaps: readonly Gap[],
	partial: PartialFile,
): Promise<boolean> {
	let isRefused = false
	try {
		await forEachAtOnce(gaps, RANGES_AT_ONCE, async (gap, signal) => {
			if (!(await fetchRange(source, gap, partial, signal))) {
				isRefused = true
				throw new ObjectStoreError(`get ${source.key}: expected a range of one version`)
			}
			await partial.note()
		})
		return true
	} catch (error) {
		if (isRefused) return false
		throw error
	}
}

async function fetchRange(
	{ objects, key }: Source,
	{ from, to }: Gap,
	partial: PartialFile,
	signal: AbortSignal,
): Promise<boolean> {
	const reading = await objects.read(key, { from, to, etag: partial.etag || null }, signal)
	if (reading.type === 'gone') throw missing(key)
	if (reading.type === 'other') return false
	// The first answer says which version it is.
	partial.etag ??= reading.etag
	if (partial.etag !== reading.etag) return false
	let position = from
	for await (const piece of reading.body) {
		await partial.write(piece.subarray(0, to - position), position)
		position += piece.length
		if (position >= to) return true
	}
	throw cutShort(key, to - from, position - from)
}

async function fetchWhole({ objects, key, file }: Source, partial: PartialFile): Promise<void> {
	const reading = await objects.read(key, null)
	if (reading.type !== 'found') throw missing(key)
	partial.etag = reading.etag
	let position = 0
	for await (const piece of reading.body) {
		if (position + piece.length > file.bytes) {
			position += piece.length
			break
		}
		await partial.write(piece, position)
		position += piece.length
	}
	if (position !== file.bytes) throw cutShort(key, file.bytes, position)
}

function missing(key: string): ObjectStoreError {
	return new ObjectStoreError(`get ${key}: it is not there`)
}

function cutShort(key: string, expected: number, got: number): ObjectStoreError {
	return new ObjectStoreError(`get ${key}: expected ${expected} bytes, got ${got}`)
}
