/** What an upload says of itself, in headers or in its body. Throws ApiError for what no upload may say. */

import { isSafeName } from '../checkpoint/store/names.ts'
import { CONFIG_BYTES_MAX } from '../checkpoint/store/run-config.ts'
import { isRecord, withoutByteOrderMark } from '../lib/json.ts'
import { JSON_DEPTH_MAX, nestsDeeperThan } from '../lib/json-scan.ts'
import { RUN_ID_LENGTH_MAX } from '../runs/run-name.ts'
import {
	aboveMax,
	belowMin,
	invalidType,
	invalidValue,
	missingParameter,
	moreThan,
	requestTooLarge,
	unsupportedMediaType,
} from '../wire/errors.ts'

/** How the body is compressed. */
export type ContentEncoding = 'identity' | 'gzip' | 'zstd'

/** Everything of an upload but the checkpoint's bytes. */
export interface UploadFields {
	readonly name: string
	readonly step: number
	/** Text of config.json. */
	readonly config: string
	/** Text of the training log, where the sender gives it. */
	readonly trainingLog: string | null
}

/** Where a piece of an upload belongs, from its headers. */
export interface PieceAddress {
	readonly uploadId: string
	readonly index: number
	/** Pieces that the upload has. */
	readonly total: number
}

/** A file of a model of another trainer, from its headers. */
export interface ModelFileAddress {
	readonly file: string
	/** Of the upload that it is a part of; null where it is the whole model. */
	readonly uploadId: string | null
}

/** Files of a model. */
const MODEL_FILES_MAX = 1100

const UPLOAD_ID_LENGTH_MAX = 1024
const PIECES_MAX = 65_536

/** Verifies a run name, before any path is built with it. */
export function checkName(name: unknown): string {
	if (name === undefined || name === null) throw missingParameter('name')
	if (typeof name !== 'string') throw invalidType('name', 'a string', name)
	if (!isSafeName(name)) {
		throw invalidValue('name', '1 to 128 of A-Z a-z 0-9 . _ -, a letter or digit first', name)
	}
	return name
}

/** Verifies a run id, which may hold anything: its directory gets another name. */
export function checkRunId(name: unknown): string {
	if (name === undefined || name === null) throw missingParameter('name')
	if (typeof name !== 'string') throw invalidType('name', 'a string', name)
	if (name !== '' && name.length <= RUN_ID_LENGTH_MAX) return name
	throw invalidValue('name', `1 to ${RUN_ID_LENGTH_MAX} characters`, name)
}

export function checkUploadId(uploadId: unknown): string {
	if (uploadId === undefined || uploadId === null) throw missingParameter('uploadId')
	const isId = typeof uploadId === 'string' && uploadId !== ''
	if (isId && uploadId.length <= UPLOAD_ID_LENGTH_MAX) return uploadId
	throw invalidValue('uploadId', `1 to ${UPLOAD_ID_LENGTH_MAX} characters`, uploadId)
}

export function checkPieceCount(total: unknown): number {
	if (total === undefined || total === null) throw missingParameter('totalChunks')
	const isCount = typeof total === 'number' && Number.isInteger(total) && total >= 1
	if (isCount && total <= PIECES_MAX) return total
	throw invalidValue('totalChunks', `an integer from 1 to ${PIECES_MAX}`, total)
}

/** Where a piece belongs. */
export function pieceAddress(headers: Headers): PieceAddress {
	const uploadId = headers.get('x-upload-id')
	if (uploadId === null) throw missingParameter('X-Upload-Id')
	const total = countHeader(headers, 'X-Total-Chunks', 1, PIECES_MAX)
	const index = countHeader(headers, 'X-Chunk-Index', 0, total - 1)
	return { uploadId: checkUploadId(uploadId), index, total }
}

/** Which file of a model the body is; null where it is none. */
export function modelFileAddress(headers: Headers): ModelFileAddress | null {
	const file = headers.get('x-model-file')
	if (file === null) return null
	const uploadId = headers.get('x-upload-id')
	return {
		file: checkFileName('X-Model-File', file),
		uploadId: uploadId === null ? null : checkUploadId(uploadId),
	}
}

/** Names of the files that make a model. */
export function checkFileNames(files: unknown): readonly string[] {
	if (!Array.isArray(files)) throw invalidType('files', 'an array of file names', files)
	if (files.length === 0 || files.length > MODEL_FILES_MAX) {
		throw invalidValue('files', `1 to ${MODEL_FILES_MAX} names`, files.length)
	}
	return [...new Set(files.map((file: unknown) => checkFileName('files', file)))]
}

function checkFileName(param: string, file: unknown): string {
	if (typeof file === 'string' && isSafeName(file)) return file
	throw invalidValue(param, 'file names of 1 to 128 of A-Z a-z 0-9 . _ -, without a path', file)
}

function countHeader(headers: Headers, name: string, min: number, max: number): number {
	const text = headers.get(name)
	if (text === null) throw missingParameter(name)
	const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
	if (value >= min && value <= max) return value
	throw invalidValue(name, `an integer from ${min} to ${max}`, text)
}

export function checkStep(step: unknown): number {
	if (step === undefined || step === null) throw missingParameter('step')
	if (typeof step !== 'number' || !Number.isInteger(step)) {
		throw invalidType('step', 'an integer', step)
	}
	if (step < 0) throw belowMin('step', 0, step, 'integer')
	if (step > Number.MAX_SAFE_INTEGER) {
		throw aboveMax('step', Number.MAX_SAFE_INTEGER, step, 'integer')
	}
	return step
}

/** Verifies a parsed config and returns the text to store. */
export function checkConfig(config: unknown): string {
	if (config === undefined || config === null) throw missingParameter('config')
	if (!isRecord(config)) throw invalidType('config', 'an object', config)
	const text = JSON.stringify(config, null, 2)
	if (Buffer.byteLength(text) <= CONFIG_BYTES_MAX) return text
	throw moreThan('config', `${CONFIG_BYTES_MAX} bytes of JSON with indentation`)
}

/** Refuses a body whose declared length is over the limit, before it is read. */
export function checkContentLength(headers: Headers, bytesMax: number): void {
	if (Number(headers.get('content-length') ?? 0) > bytesMax) throw requestTooLarge(bytesMax)
}

export function contentEncoding(headers: Headers): ContentEncoding {
	const value = (headers.get('content-encoding') ?? 'identity').trim().toLowerCase()
	if (value === 'identity' || value === '') return 'identity'
	if (value === 'gzip' || value === 'x-gzip') return 'gzip'
	if (value === 'zstd') return 'zstd'
	throw unsupportedMediaType('Content-Encoding identity, gzip or zstd', value)
}

/**
 * The fields of an upload whose body is the bare checkpoint, from its X-Checkpoint-* headers; null for
 * a JSON body, which carries them itself.
 */
export function headerFields(headers: Headers): UploadFields | null {
	const type = (headers.get('content-type') ?? '').split(';', 1)[0]!.trim().toLowerCase()
	if (type !== 'application/octet-stream') return null
	const config = decodeBase64(headers, 'x-checkpoint-config')
	return {
		name: checkName(headers.get('x-checkpoint-name')),
		step: checkStep(stepHeader(headers)),
		config: checkConfig(config === null ? null : parseConfig(config)),
		trainingLog: decodeBase64(headers, 'x-checkpoint-metrics'),
	}
}

/** The step that the headers name, unchecked; null for none. */
export function stepHeader(headers: Headers): unknown {
	const step = headers.get('x-checkpoint-step')
	return step === null || !/^-?[0-9.]+$/.test(step) ? step : Number(step)
}

/** Parses the JSON of a field. Throws ApiError 400 where whoever reads the value would have to recurse far. */
export function parseBounded(param: string, text: string): unknown {
	if (nestsDeeperThan(text, JSON_DEPTH_MAX)) {
		throw moreThan(param, `${JSON_DEPTH_MAX} brackets within each other`)
	}
	return JSON.parse(withoutByteOrderMark(text))
}

function parseConfig(text: string): unknown {
	try {
		return parseBounded('config', text)
	} catch (error) {
		if (!(error instanceof SyntaxError)) throw error
		throw invalidValue('config', 'valid JSON in X-Checkpoint-Config', text)
	}
}

function decodeBase64(headers: Headers, name: string): string | null {
	const value = headers.get(name)
	if (value === null) return null
	if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) {
		throw invalidValue(name.replace('x-checkpoint-', ''), `base64 in ${name}`, value)
	}
	return Buffer.from(value, 'base64').toString('utf8')
}
