/*
 * Whether a checkpoint file has arrived whole, told without parsing it: by the length that its binary
 * header declares, or by the closing brace of its JSON. Both must have stopped changing, because
 * some copiers write over an existing file in place.
 */

import type { FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isOpenForWriting } from '../../kernels/binding.ts'
import { errorCode } from '../../lib/errors.ts'
import { declaredLength, headerLength, isBinaryForm, PREAMBLE_BYTES } from '../formats/binary.ts'
import { identityOf } from '../formats/byte-source.ts'
import { CheckpointError } from '../formats/checkpoint-error.ts'
import { CLOSE_BRACE, isJsonSpace, OPEN_BRACE } from '../formats/json-bytes.ts'
import { lookAt, namesIn, openRegularFile } from './files.ts'
import type { RunFault } from './run-fault.ts'

/** White space that may follow the closing brace. */
const TAIL_BYTES = 4096

/**
 * How long a file that was written over in place must not have changed where the kernel does not tell
 * whether somebody has it open for writing: copiers pause, and old bytes look as whole as new ones.
 */
const REWRITTEN_REST_MS = 10_000

/** What a look at a version's files says. */
export interface Arrival {
	/** Why it is not whole; null when it is. */
	readonly fault: RunFault | null
	/** Somebody has it open for writing. */
	readonly isBeingWritten: boolean
	/** Time alone may make it whole, or will tell whether it is. */
	readonly isSettling: boolean
}

/** Of files that have not rested for long enough to be opened. */
export const CHANGED_A_MOMENT_AGO: Arrival = {
	fault: arriving('it changed a moment ago'),
	isBeingWritten: false,
	isSettling: true,
}

/**
 * Looks at the ends of a checkpoint file in the state of that identity. `rewrittenRestMs` says for how
 * long one that is written over in place has not changed; null for a new file.
 */
export async function findArrivalFault(
	path: string,
	identity: string,
	rewrittenRestMs: number | null,
): Promise<Arrival> {
	try {
		await using file = await openRegularFile(path)
		const writing = findWriter(file, rewrittenRestMs)
		if (writing !== null) return writing
		const fault = await findFaultOfEnds(file)
		const isSame = identityOf(await file.stat({ bigint: true })) === identity
		return atRest(isSame ? fault : arriving('it changes'))
	} catch (error) {
		return atRest(faultOf(error))
	}
}

/**
 * The same of a model in several files, of which only the loader knows where they end; `companions` are
 * names of files that a model may have beside them. While one of either is on its way there is no model,
 * since it would be of old files and new ones, or lack some.
 */
export async function findModelArrivalFault(
	paths: readonly string[],
	companions: readonly string[],
	rewrittenRestMs: number | null,
): Promise<Arrival> {
	try {
		for (const path of paths) {
			await using file = await openRegularFile(path)
			const writing = findWriter(file, rewrittenRestMs)
			if (writing !== null) return writing
		}
		const coming = await findComing(paths, companions)
		if (coming === null) return atRest(null)
		const fault = arriving(`somebody writes ${basename(coming)}`)
		return { fault, isBeingWritten: true, isSettling: true }
	} catch (error) {
		return atRest(faultOf(error))
	}
}

/**
 * A file that somebody writes under another name than it will have, as copiers do which rename what they
 * have copied: `.model.safetensors.a1B2c3`, `model.safetensors.partial`. Null when there is none.
 */
async function findComing(
	paths: readonly string[],
	companions: readonly string[],
): Promise<string | null> {
	for (const directory of new Set(paths.map(dirname))) {
		const own = paths.filter((path) => dirname(path) === directory).map((path) => basename(path))
		// What takes the place of the only file is whole by itself.
		const awaited = [
			...companions.map((name) => basename(name)),
			...(paths.length === 1 ? [] : own),
		]
		if (awaited.length === 0) continue
		const isTemporary = (name: string) =>
			awaited.some((each) => name.startsWith(each) || (/^[.~]/.test(name) && name.includes(each)))
		for (const name of await namesIn(directory)) {
			if (own.includes(name) || !isTemporary(name)) continue
			const path = join(directory, name)
			if (await isWrittenTo(path)) return path
		}
	}
	return null
}

/** Where the kernel does not say whether somebody has it open, a file that changes is written to. */
async function isWrittenTo(path: string): Promise<boolean> {
	const state = await lookAt(path)
	if (state.type !== 'file') return false
	const isChanging = Date.now() - state.ctimeMs < REWRITTEN_REST_MS
	try {
		await using file = await openRegularFile(path)
		return isOpenForWriting(file.fd) ?? isChanging
	} catch {
		return isChanging
	}
}

/** Tells of somebody who writes to the file, or may do so; null when nobody does. */
function findWriter({ fd }: FileHandle, rewrittenRestMs: number | null): Arrival | null {
	const isBeingWritten = isOpenForWriting(fd)
	if (isBeingWritten === true) {
		const fault = arriving('somebody has it open for writing')
		return { fault, isBeingWritten, isSettling: true }
	}
	const rest = rewrittenRestMs ?? REWRITTEN_REST_MS
	if (isBeingWritten === false || rest >= REWRITTEN_REST_MS) return null
	const fault = arriving('it was written over a moment ago')
	return { fault, isBeingWritten: false, isSettling: true }
}

function atRest(fault: RunFault | null): Arrival {
	return { fault, isBeingWritten: false, isSettling: false }
}

async function findFaultOfEnds(file: FileHandle): Promise<RunFault | null> {
	const { size } = await file.stat()
	const read = async (length: number, position: number) => {
		const bytes = new Uint8Array(length)
		const { bytesRead } = await file.read(bytes, 0, length, position)
		return bytes.subarray(0, bytesRead)
	}
	const start = await read(Math.min(size, PREAMBLE_BYTES), 0)
	if (start.length < PREAMBLE_BYTES && start[0] !== OPEN_BRACE) {
		return arriving(`${size} bytes so far`)
	}
	if (!isBinaryForm(start)) {
		const tail = await read(Math.min(size, TAIL_BYTES), Math.max(0, size - TAIL_BYTES))
		return jsonFault(start, tail)
	}
	const headerBytes = headerLength(start)
	if (PREAMBLE_BYTES + headerBytes > size) {
		return arriving(`${size} bytes so far, its header alone has ${headerBytes}`)
	}
	const expected = declaredLength(await read(headerBytes, PREAMBLE_BYTES))
	if (size === expected) return null
	if (size < expected) return arriving(`${size} of ${expected} bytes so far`)
	return damaged(`expected a file of ${expected} bytes by its header, got one of ${size}`)
}

function faultOf(error: unknown): RunFault {
	if (error instanceof CheckpointError) return damaged(error.message)
	// Permissions are repaired and descriptors become free: worth another look.
	const reason = `the file cannot be read (${errorCode(error) || 'not a regular file'})`
	return { kind: 'incomplete', reason }
}

function jsonFault(start: Uint8Array, tail: Uint8Array): RunFault | null {
	const first = start.find((byte) => !isJsonSpace(byte))
	if (first !== undefined && first !== OPEN_BRACE) {
		return damaged('expected a checkpoint in JSON or binary form, got neither')
	}
	const last = tail.findLast((byte) => !isJsonSpace(byte))
	return last === CLOSE_BRACE ? null : arriving('its JSON does not end yet')
}

function arriving(detail: string): RunFault {
	return { kind: 'incomplete', reason: `still arriving: ${detail}` }
}

function damaged(reason: string): RunFault {
	return { kind: 'damaged', reason }
}
