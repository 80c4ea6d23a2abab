/*
 * The directory of a zip archive, as PyTorch writes it: entries stored without compression, sizes in
 * zip64 fields where they are large. Names are only compared, never used as paths. The layout is in
 * APPNOTE.TXT of PKWARE, sections 4.3 and 4.5.3.
 */

import { inflateRawSync } from 'node:zlib'
import { quoted } from '../../lib/json.ts'
import type { ByteSource } from './byte-source.ts'
import { CheckpointError } from './checkpoint-error.ts'

export interface ZipEntry {
	readonly name: string
	readonly isCompressed: boolean
	/** Size of its content in bytes. */
	readonly size: number
	readonly compressedSize: number
	/** CRC-32 of its content. */
	readonly crc: number
	/** Where its local header begins. */
	readonly headerOffset: number
}

/** Entries of an archive; PyTorch has one for each tensor. */
const ENTRIES_MAX = 65_536

const DIRECTORY_BYTES_MAX = 2 ** 24

const END_SIGNATURE = 0x06054b50
const END_BYTES = 22
const COMMENT_BYTES_MAX = 2 ** 16 - 1
const END64_LOCATOR_SIGNATURE = 0x07064b50
const END64_LOCATOR_BYTES = 20
const END64_SIGNATURE = 0x06064b50
const END64_BYTES = 56
const DIRECTORY_SIGNATURE = 0x02014b50
const DIRECTORY_ENTRY_BYTES = 46
const LOCAL_SIGNATURE = 0x04034b50
const LOCAL_HEADER_BYTES = 30
const ZIP64_EXTRA = 0x0001
const IN_ZIP64_FIELD = 0xffff_ffff
const ENCRYPTED_FLAG = 1
const STORED = 0
const DEFLATED = 8

export function isZip(start: Uint8Array): boolean {
	return new DataView(start.buffer, start.byteOffset).getUint32(0, true) === LOCAL_SIGNATURE
}

/** Reads the archive's directory. Throws CheckpointError. */
export function openZip(source: ByteSource): ReadonlyMap<string, ZipEntry> {
	const { count, offset, size } = findDirectory(source)
	if (count > ENTRIES_MAX || size > DIRECTORY_BYTES_MAX || offset + size > source.size) {
		throw new CheckpointError(
			`zip: expected a directory of at most ${ENTRIES_MAX} entries within the file, ` +
				`got ${count} entries in ${size} bytes at ${offset}`,
		)
	}
	const directory = viewOf(source, offset, size)
	const entries = new Map<string, ZipEntry>()
	let at = 0
	for (let i = 0; i < count; i++) {
		const { entry, length } = readEntry(directory, at)
		if (entries.has(entry.name)) {
			throw new CheckpointError(`zip: expected each entry once, got ${quoted(entry.name)} twice`)
		}
		if (entry.headerOffset + LOCAL_HEADER_BYTES + entry.compressedSize > offset) {
			throw new CheckpointError(
				`zip: expected ${quoted(entry.name)} to lie before the directory at ${offset}`,
			)
		}
		entries.set(entry.name, entry)
		at += length
	}
	return entries
}

/** Where the content of a stored entry begins. Throws CheckpointError when it is compressed. */
export function storedOffset(source: ByteSource, entry: ZipEntry): number {
	if (entry.isCompressed) {
		throw new CheckpointError(`zip: expected ${quoted(entry.name)} to be stored, got it compressed`)
	}
	return contentOffset(source, entry)
}

/** Reads a small entry whole and checks its sum. Throws CheckpointError. */
export function readEntryBytes(source: ByteSource, entry: ZipEntry, bytesMax: number): Uint8Array {
	if (entry.size > bytesMax) {
		throw new CheckpointError(
			`zip: expected ${quoted(entry.name)} of at most ${bytesMax} bytes, got ${entry.size}`,
		)
	}
	// A compressed entry is never larger than its content by more than a few bytes per block.
	const packed = new Uint8Array(Math.min(entry.compressedSize, bytesMax + 2 ** 16))
	source.read(packed, contentOffset(source, entry))
	const bytes = entry.isCompressed ? inflate(packed, entry) : packed
	if (bytes.byteLength !== entry.size) {
		throw new CheckpointError(
			`zip: expected ${entry.size} bytes in ${quoted(entry.name)}, got ${bytes.byteLength}`,
		)
	}
	checkSum(entry, Bun.hash.crc32(bytes))
	return bytes
}

/** Throws CheckpointError where the content of an entry is not what its directory says. */
export function checkSum(entry: ZipEntry, crc: number): void {
	if (crc === entry.crc) return
	throw new CheckpointError(
		`zip: expected CRC ${hex(entry.crc)} of ${quoted(entry.name)}, got ${hex(crc)}`,
	)
}

function inflate(packed: Uint8Array, entry: ZipEntry): Uint8Array {
	try {
		return inflateRawSync(packed, { maxOutputLength: entry.size + 1 })
	} catch (cause) {
		throw new CheckpointError(`zip: ${quoted(entry.name)} cannot be inflated`, { cause })
	}
}

interface Directory {
	readonly count: number
	readonly offset: number
	readonly size: number
}

/** The end record is the last one whose comment reaches exactly to the end of the file. */
function findDirectory(source: ByteSource): Directory {
	const tailBytes = Math.min(source.size, END_BYTES + COMMENT_BYTES_MAX)
	const tailStart = source.size - tailBytes
	const tail = viewOf(source, tailStart, tailBytes)
	for (let at = tailBytes - END_BYTES; at >= 0; at--) {
		if (tail.getUint32(at, true) !== END_SIGNATURE) continue
		if (at + END_BYTES + tail.getUint16(at + 20, true) !== tailBytes) continue
		const end64 = findEnd64(source, tailStart + at)
		return (
			end64 ?? {
				count: tail.getUint16(at + 10, true),
				size: tail.getUint32(at + 12, true),
				offset: tail.getUint32(at + 16, true),
			}
		)
	}
	throw new CheckpointError('zip: expected a directory at the end, got none: is the file cut off?')
}

function findEnd64(source: ByteSource, endOffset: number): Directory | undefined {
	const locatorOffset = endOffset - END64_LOCATOR_BYTES
	if (locatorOffset < 0) return undefined
	const locator = viewOf(source, locatorOffset, END64_LOCATOR_BYTES)
	if (locator.getUint32(0, true) !== END64_LOCATOR_SIGNATURE) return undefined
	const end = viewOf(source, number64(locator, 8), END64_BYTES)
	if (end.getUint32(0, true) !== END64_SIGNATURE) {
		throw new CheckpointError('zip: expected a zip64 end record where its locator points')
	}
	return { count: number64(end, 32), size: number64(end, 40), offset: number64(end, 48) }
}

function readEntry(directory: DataView, at: number): { entry: ZipEntry; length: number } {
	if (at + DIRECTORY_ENTRY_BYTES > directory.byteLength) throw directoryTooShort()
	if (directory.getUint32(at, true) !== DIRECTORY_SIGNATURE) {
		throw new CheckpointError(`zip: expected a directory entry at its byte ${at}`)
	}
	const nameLength = directory.getUint16(at + 28, true)
	const extraLength = directory.getUint16(at + 30, true)
	const commentLength = directory.getUint16(at + 32, true)
	const length = DIRECTORY_ENTRY_BYTES + nameLength + extraLength + commentLength
	if (at + length > directory.byteLength) throw directoryTooShort()
	const nameStart = directory.byteOffset + at + DIRECTORY_ENTRY_BYTES
	const name = Buffer.from(directory.buffer, nameStart, nameLength).toString('utf8')
	const flags = directory.getUint16(at + 8, true)
	const method = directory.getUint16(at + 10, true)
	if ((flags & ENCRYPTED_FLAG) !== 0 || (method !== STORED && method !== DEFLATED)) {
		throw new CheckpointError(
			`zip: expected ${quoted(name)} stored or deflated, got method ${method}, flags ${flags}`,
		)
	}
	const extra = new Zip64Extra(directory, at + DIRECTORY_ENTRY_BYTES + nameLength, extraLength)
	// The order of the fields in the extra block is fixed: size, compressed size, offset.
	const size = extra.resolve(directory.getUint32(at + 24, true))
	const compressedSize = extra.resolve(directory.getUint32(at + 20, true))
	const headerOffset = extra.resolve(directory.getUint32(at + 42, true))
	if (method === STORED && size !== compressedSize) {
		throw new CheckpointError(
			`zip: expected ${quoted(name)} to have one size, got ${size} and ${compressedSize}`,
		)
	}
	const crc = directory.getUint32(at + 16, true)
	const isCompressed = method === DEFLATED
	return { entry: { name, isCompressed, size, compressedSize, crc, headerOffset }, length }
}

/** The 64-bit values of an entry, one for each 32-bit field that is full. */
class Zip64Extra {
	readonly #directory: DataView
	#at: number
	#end: number

	constructor(directory: DataView, start: number, length: number) {
		this.#directory = directory
		this.#at = start
		this.#end = start
		for (let at = start; at + 4 <= start + length; ) {
			const fieldEnd = at + 4 + directory.getUint16(at + 2, true)
			if (directory.getUint16(at, true) === ZIP64_EXTRA && fieldEnd <= start + length) {
				this.#at = at + 4
				this.#end = fieldEnd
				return
			}
			at = fieldEnd
		}
	}

	resolve(value: number): number {
		if (value !== IN_ZIP64_FIELD) return value
		if (this.#at + 8 > this.#end) {
			throw new CheckpointError('zip: expected a zip64 field for an entry of 4 GiB or more')
		}
		const resolved = number64(this.#directory, this.#at)
		this.#at += 8
		return resolved
	}
}

/** The local header repeats the name and has an extra block of its own, which alignment pads. */
function contentOffset(source: ByteSource, entry: ZipEntry): number {
	const local = viewOf(source, entry.headerOffset, LOCAL_HEADER_BYTES)
	if (local.getUint32(0, true) !== LOCAL_SIGNATURE) {
		throw new CheckpointError(`zip: expected ${quoted(entry.name)} at byte ${entry.headerOffset}`)
	}
	const lengths = local.getUint16(26, true) + local.getUint16(28, true)
	return entry.headerOffset + LOCAL_HEADER_BYTES + lengths
}

function viewOf(source: ByteSource, offset: number, length: number): DataView {
	const bytes = new Uint8Array(length)
	source.read(bytes, offset)
	return new DataView(bytes.buffer)
}

function number64(view: DataView, at: number): number {
	const value = view.getBigUint64(at, true)
	if (value > Number.MAX_SAFE_INTEGER) {
		throw new CheckpointError(`zip: expected an offset within the file, got ${value}`)
	}
	return Number(value)
}

function directoryTooShort(): CheckpointError {
	return new CheckpointError('zip: expected more entries, got the end of the directory')
}

function hex(crc: number): string {
	return crc.toString(16).padStart(8, '0')
}
