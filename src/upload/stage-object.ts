/*
 * A JSON object into values and staged files while it arrives, in constant memory: what is large goes to
 * disk at once.
 */
import { invalidJson, invalidKind, moreThan } from '../wire/errors.ts'
import { isGzip, isZstd } from './inflate.ts'
import { JsonObjectSplitter, JsonSyntaxError, type ValuePiece } from './json-object-splitter.ts'
import { JsonStringDecoder } from './json-string-decoder.ts'
import type { StagedFile, StagedRun } from './staging.ts'
import { parseBounded } from './upload-fields.ts'

/** How much of a key an error message shows. */
const SHOWN_KEY_LENGTH_MAX = 40

/** What becomes of an object's keys; those that it does not name are skipped. */
export interface ObjectShape {
	/** Held in memory: the longest raw JSON of each, bytes. */
	readonly values: Readonly<Record<string, number>>
	/** Strings whose text becomes a file of that name. */
	readonly texts: Readonly<Record<string, string>>
	/** Objects whose JSON becomes a file of that name as it is. */
	readonly objects: Readonly<Record<string, string>>
	/** Told of each value as soon as it has come. */
	readonly onValue?: (key: string, value: unknown) => void
	/** Told of the bytes of `objects`. */
	readonly onObjectBytes?: (bytes: Uint8Array) => void
}

export interface StagedObject {
	readonly values: ReadonlyMap<string, unknown>
	/** Keys that have become files. */
	readonly files: ReadonlySet<string>
}

/** Receives an object; its files are on disk when this resolves. Throws ApiError 400. */
export async function stageObject(
	staged: StagedRun,
	body: AsyncIterable<Uint8Array>,
	shape: ObjectShape,
): Promise<StagedObject> {
	await using files = new AsyncDisposableStack()
	const stager = new ObjectStager(staged, files, shape)
	const splitter = new JsonObjectSplitter()
	let isFirst = true
	for await (const chunk of body) {
		if (isFirst) refuseCompressed(chunk)
		isFirst = false
		for (const piece of parsing(() => splitter.push(chunk))) await stager.take(piece)
	}
	if (isFirst) throw invalidJson('it is empty')
	parsing(() => splitter.end())
	return await stager.finish()
}

interface TextFile {
	readonly file: StagedFile
	readonly decoder: JsonStringDecoder
}

class ObjectStager {
	readonly #staged: StagedRun
	readonly #files: AsyncDisposableStack
	readonly #shape: ObjectShape
	readonly #seen = new Set<string>()
	/** What has come of the value that is arriving, and room for more of it. */
	#raw = Buffer.alloc(0)
	#rawBytes = 0
	readonly #values = new Map<string, unknown>()
	readonly #texts = new Map<string, TextFile>()
	readonly #objects = new Map<string, StagedFile>()
	/** The key whose value is arriving. */
	#key: string | null = null

	/** Files that it opens belong to `files`. */
	constructor(staged: StagedRun, files: AsyncDisposableStack, shape: ObjectShape) {
		this.#staged = staged
		this.#files = files
		this.#shape = shape
	}

	async take(piece: ValuePiece): Promise<void> {
		const { key, isLast } = piece
		const isFirst = this.#key === null
		if (isFirst && this.#seen.has(key)) {
			throw invalidJson(`the key '${key.slice(0, SHOWN_KEY_LENGTH_MAX)}' comes twice`)
		}
		this.#seen.add(key)
		this.#key = isLast ? null : key
		const { values, texts, objects } = this.#shape
		if (Object.hasOwn(values, key)) this.#takeValue(piece)
		else if (Object.hasOwn(texts, key)) await this.#takeText(piece, isFirst)
		else if (Object.hasOwn(objects, key)) await this.#takeObject(piece, isFirst)
	}

	async finish(): Promise<StagedObject> {
		for (const { file } of this.#texts.values()) await file.sync()
		for (const file of this.#objects.values()) await file.sync()
		return {
			values: this.#values,
			files: new Set([...this.#texts.keys(), ...this.#objects.keys()]),
		}
	}

	#takeValue({ key, bytes, isLast }: ValuePiece): void {
		const bytesMax = this.#shape.values[key]!
		const end = this.#rawBytes + bytes.length
		if (end > bytesMax) throw moreThan(key, `${bytesMax} bytes of JSON`)
		// Pieces may be as short as a byte: each as an object of its own would take a hundred times that.
		if (end > this.#raw.length) {
			this.#raw = Buffer.concat(
				[this.#raw.subarray(0, this.#rawBytes)],
				Math.min(2 * end, bytesMax),
			)
		}
		this.#raw.set(bytes, this.#rawBytes)
		this.#rawBytes = end
		if (!isLast) return
		const text = this.#raw.toString('utf8', 0, end)
		this.#raw = Buffer.alloc(0)
		this.#rawBytes = 0
		const value = parsing(() => parseBounded(key, text))
		this.#values.set(key, value)
		this.#shape.onValue?.(key, value)
	}

	/** Null counts as absent. */
	async #takeText({ key, bytes, isLast }: ValuePiece, isFirst: boolean): Promise<void> {
		if (isFirst && isNullWord(bytes)) return
		if (isFirst) {
			if (bytes[0] !== 0x22) throw invalidKind(key, 'a string', kindOf(bytes))
			const file = this.#files.use(await this.#staged.createFile(this.#shape.texts[key]!))
			this.#texts.set(key, { file, decoder: new JsonStringDecoder() })
		}
		const text = this.#texts.get(key)
		const part = bytes.subarray(isFirst ? 1 : 0, isLast ? -1 : undefined)
		await text?.file.write(parsing(() => text.decoder.push(part, isLast)))
	}

	/** Null counts as absent. */
	async #takeObject({ key, bytes }: ValuePiece, isFirst: boolean): Promise<void> {
		if (isFirst && isNullWord(bytes)) return
		if (isFirst) {
			if (bytes[0] !== 0x7b) throw invalidKind(key, 'an object', kindOf(bytes))
			const file = await this.#staged.createFile(this.#shape.objects[key]!)
			this.#objects.set(key, this.#files.use(file))
		}
		this.#shape.onObjectBytes?.(bytes)
		await this.#objects.get(key)?.write(bytes)
	}
}

/** What kind of value a JSON text begins. */
function kindOf([first = 0]: Uint8Array): string {
	switch (String.fromCharCode(first)) {
		case '{':
			return 'an object'
		case '[':
			return 'an array'
		case '"':
			return 'a string'
		case 't':
		case 'f':
			return 'a boolean'
		default:
			return 'a number'
	}
}

function isNullWord(bytes: Uint8Array): boolean {
	return bytes[0] === 0x6e
}

/** Compressed bytes without the header that says so deserve a better answer than "not JSON". */
function refuseCompressed(chunk: Uint8Array): void {
	const coding = isGzip(chunk) ? 'gzip' : isZstd(chunk) ? 'zstd' : null
	if (coding === null) return
	throw invalidJson(`it looks like ${coding}, but Content-Encoding does not say so`)
}

/** Runs a parser of the body; its errors are the sender's. */
function parsing<T>(parse: () => T): T {
	try {
		return parse()
	} catch (error) {
		if (error instanceof JsonSyntaxError) throw invalidJson(error.message)
		if (error instanceof SyntaxError) throw invalidJson('a value is not valid JSON')
		throw error
	}
}
