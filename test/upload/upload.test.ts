import { describe, expect, setSystemTime, test } from 'bun:test'
import {
	chmodSync,
	existsSync,
	mkdirSync,
	readFileSync,
	renameSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { constants, createZstdCompress } from 'node:zlib'
import { lookAt } from '../../src/checkpoint/store/files.ts'
import { recoverUploads } from '../../src/upload/staging.ts'
import { UploadLock, withRunLock } from '../../src/upload/upload-lock.ts'
import { eventually } from '../helpers/eventually.ts'
import { isRoot, rootNote } from '../helpers/root.ts'
import { tensorOf, tinyCheckpoint, toBinaryForm, toJsonForm } from '../helpers/tiny-checkpoint.ts'
import { inPieces, jsonBody, UploadDoor, versioned } from './upload-fixture.ts'

const runFiles = ['run', 'run/checkpoint-7.json', 'run/config.json']
const base64 = (text: string) => Buffer.from(text).toString('base64')
const domainIn = ({ path }: UploadDoor) =>
	JSON.parse(readFileSync(join(path, 'run/config.json'), 'utf8')).domain
const bareHeaders = (fields: Record<string, string> = {}) => ({
	'content-type': 'application/octet-stream',
	'x-checkpoint-name': 'run',
	'x-checkpoint-step': '7',
	'x-checkpoint-config': base64('{"domain":"abc"}'),
	...fields,
})

/** Compressed with a window of 2^`windowLog` bytes, as by who does not know the length beforehand. */
async function zstdOf(bytes: Uint8Array, windowLog: number): Promise<Uint8Array> {
	const stream = createZstdCompress({ params: { [constants.ZSTD_c_windowLog]: windowLog } })
	stream.end(bytes)
	return await Bun.readableStreamToBytes(Readable.toWeb(stream) as unknown as ReadableStream)
}

describe('an upload is served when it returns', () => {
	test('as JSON, with the checkpoint stored as it came', async () => {
		using door = await UploadDoor.open()
		const checkpoint = toJsonForm(tinyCheckpoint()).toString()
		const metrics = '{"loss":1.5}\n{"loss":1.25,"text":"é 😀 \\"q\\" \\\\"}\n'
		const body = jsonBody({ checkpoint, metrics: JSON.stringify(metrics) })
		expect(await door.send(body)).toMatchObject({ name: 'run', step: 7, isNew: true })
		expect(door.store.find('run')).toMatchObject({ step: 7, domain: 'novels', lastLoss: 1.25 })
		expect(door.store.find('run')?.info?.parameterCount).toBeGreaterThan(0)
		expect(readFileSync(join(door.path, 'run/checkpoint-7.json'), 'utf8')).toBe(checkpoint)
		expect(readFileSync(join(door.path, 'run/metrics.jsonl'), 'utf8')).toBe(metrics)
		expect(door.files()).toEqual([...runFiles, 'run/metrics.jsonl'])
	})

	test.each(['gzip', 'zstd'])('compressed with %s', async (encoding) => {
		using door = await UploadDoor.open()
		const compress = encoding === 'gzip' ? Bun.gzipSync : Bun.zstdCompressSync
		const body = compress(jsonBody() as Uint8Array<ArrayBuffer>)
		expect(await door.send(body, { 'content-encoding': encoding })).toMatchObject({ isNew: true })
	})

	test('as bare binary with the trainer’s headers', async () => {
		using door = await UploadDoor.open()
		const headers = bareHeaders({ 'x-checkpoint-metrics': base64('{"loss":2}\n') })
		expect(await door.send(toBinaryForm(tinyCheckpoint()), headers)).toMatchObject({ step: 7 })
		expect(door.store.find('run')).toMatchObject({ domain: 'abc', lastLoss: 2 })
	})

	test('in pieces of one byte, with its keys in any order', async () => {
		using door = await UploadDoor.open()
		const all = JSON.parse(jsonBody().toString()) as Record<string, unknown>
		const reversed = JSON.stringify(Object.fromEntries(Object.entries(all).reverse()), null, 1)
		const body = Buffer.from(reversed.replace('{', '{"trainingData":"ignored","x":[{}],'))
		expect(await door.send(inPieces(body, 1))).toMatchObject({ isNew: true })
	})

	test('as step 0', async () => {
		using door = await UploadDoor.open()
		expect(await door.send(jsonBody({ step: '0' }))).toMatchObject({ step: 0 })
		expect(door.store.find('run')?.step).toBe(0)
	})
})

describe('an upload of a run that is there', () => {
	test('with the same bytes changes nothing', async () => {
		using door = await UploadDoor.open()
		await door.send(jsonBody())
		const before = door.store.find('run')
		expect(await door.send(jsonBody())).toMatchObject({ isNew: false })
		expect(door.store.find('run')).toBe(before as never)
	})

	test('with other bytes of its step replaces config and weights together', async () => {
		using door = await UploadDoor.open()
		await door.send(jsonBody())
		const checkpoint = toJsonForm(versioned(5)).toString()
		await door.send(jsonBody({ checkpoint, config: '{"domain":"new"}' }))
		expect(door.store.find('run')).toMatchObject({ domain: 'new', steps: [7] })
		expect(readFileSync(join(door.path, 'run/checkpoint-7.json'), 'utf8')).toBe(checkpoint)
	})

	test('with a lower step is stored, and the log says what goes on being served', async () => {
		using door = await UploadDoor.open()
		await door.send(jsonBody())
		await door.send(jsonBody({ step: '6' }))
		expect(door.store.find('run')).toMatchObject({ step: 7, steps: [6, 7] })
		expect(door.log.at(-1)).toMatch(/step 6 is stored.*goes on serving step 7/)
	})

	test('waits for nobody: a second writer gets 409 and the first one’s bytes stand', async () => {
		using door = await UploadDoor.open()
		const answers = await Promise.all(
			Array.from({ length: 12 }, (_, i) =>
				door.send(jsonBody({ checkpoint: toJsonForm(versioned(i)).toString() })),
			),
		)
		const refused = answers.filter((answer) => 'status' in answer)
		expect(refused).toHaveLength(11)
		for (const error of refused) {
			expect(error).toMatchObject({ status: 409, code: 'conflict', retryAfterSeconds: 2 })
		}
		expect(door.files()).toEqual(runFiles)
	})

	test('never shows a mix of config and weights', async () => {
		using door = await UploadDoor.open()
		const seen = new Set<string>()
		const read = () => {
			const run = door.store.find('run')
			if (run === undefined) return
			const { params } = JSON.parse(readFileSync(run.served.path, 'utf8')) as {
				params: { wte: { data: number[] } }
			}
			seen.add(`${run.domain}:${params.wte.data[0]}`)
		}
		door.store.onChange(read)
		for (let i = 0; i < 40; i++) {
			const checkpoint = toJsonForm(versioned(i)).toString()
			await door.send(jsonBody({ checkpoint, config: `{"domain":"${i}"}` }))
			read()
		}
		expect([...seen].sort()).toEqual(Array.from({ length: 40 }, (_, i) => `${i}:${i}`).sort())
	})
})

/** A refusal and what it must say. */
type Refusal = [name: string, fields: Record<string, string>, code: string, param: string]

describe('an upload is refused, and nothing stays, for', () => {
	const checkpointText = toJsonForm(tinyCheckpoint()).toString()
	const refusals: Refusal[] = [
		['no name', { name: '' }, 'missing_required_parameter', 'name'],
		['a null name', { name: 'null' }, 'missing_required_parameter', 'name'],
		['a numeric name', { name: '5' }, 'invalid_type', 'name'],
		...['../x', 'a/b', 'a\\\\b', '.', '..', '.hidden', '-x', '', 'a%2fb', 'ü', 'a\\u0000', 'x.part']
			.concat('a'.repeat(129))
			.map((name): Refusal => [`the name ${name}`, { name: `"${name}"` }, 'invalid_value', 'name']),
		['no config', { config: '' }, 'missing_required_parameter', 'config'],
		['an array as config', { config: '[]' }, 'invalid_type', 'config'],
		[
			'a config that is too large with its indentation',
			{ config: `{"a":[${'1,'.repeat(2 ** 20)}1]}` },
			'invalid_value',
			'config',
		],
		[
			'a config without end',
			{ config: `{"a":"${'x'.repeat(2 ** 22)}"}` },
			'invalid_value',
			'config',
		],
		['no checkpoint', { checkpoint: '' }, 'missing_required_parameter', 'checkpoint'],
		['a null checkpoint', { checkpoint: 'null' }, 'missing_required_parameter', 'checkpoint'],
		['an array as checkpoint', { checkpoint: '[]' }, 'invalid_type', 'checkpoint'],
		['a string as checkpoint', { checkpoint: '"x"' }, 'invalid_type', 'checkpoint'],
		['an empty checkpoint', { checkpoint: '{}' }, 'invalid_checkpoint', 'checkpoint'],
		[
			'null among the weights',
			{ checkpoint: checkpointText.replace('"data":[', '"data":[null,') },
			'invalid_checkpoint',
			'checkpoint',
		],
		['no step', { step: '' }, 'missing_required_parameter', 'step'],
		['a negative step', { step: '-1' }, 'integer_below_min_value', 'step'],
		['an unsafe step', { step: '9007199254740993' }, 'integer_above_max_value', 'step'],
		['a fraction', { step: '1.5' }, 'invalid_type', 'step'],
		['an infinite step', { step: '1e400' }, 'invalid_type', 'step'],
		['a string as step', { step: '"7"' }, 'invalid_type', 'step'],
		['true as step', { step: 'true' }, 'invalid_type', 'step'],
		['metrics that are no string', { metrics: '{}' }, 'invalid_type', 'metrics'],
	]

	test.each(refusals)('%s', async (_name, fields, code, param) => {
		using door = await UploadDoor.open()
		expect(await door.send(jsonBody(fields))).toMatchObject({ status: 400, code, param })
		expect(door.files()).toEqual([])
	})

	test('a checkpoint whose fault is named as the loader names it', async () => {
		using door = await UploadDoor.open()
		const bad = tinyCheckpoint()
		tensorOf(bad, 'wte').shape = [4, 3]
		const answer = await door.send(jsonBody({ checkpoint: toJsonForm(bad).toString() }))
		expect(answer).toMatchObject({
			message: 'The checkpoint cannot be served: wte: expected shape [3, 4], got [4, 3].',
		})
	})

	test('a body that is no object, at its byte', async () => {
		using door = await UploadDoor.open()
		for (const text of ['', '[]', 'x', '{', '{"a":}', '{"a":1,}', '{} {}', '{"step":1,"step":2}']) {
			const answer = await door.send(Buffer.from(text))
			expect(answer).toMatchObject({ status: 400, code: 'invalid_json' })
		}
		expect(door.files()).toEqual([])
	})

	test('a body that is cut anywhere', async () => {
		using door = await UploadDoor.open()
		const body = jsonBody()
		const zipped = Bun.gzipSync(body as Uint8Array<ArrayBuffer>)
		for (let i = 1; i < 100; i++) {
			const cut = (bytes: Uint8Array) => bytes.subarray(0, Math.floor((bytes.length * i) / 100))
			expect(await door.send(cut(body))).toMatchObject({ status: 400 })
			const answer = await door.send(cut(zipped), { 'content-encoding': 'gzip' })
			expect(answer).toMatchObject({ status: 400 })
		}
		expect(door.files()).toEqual([])
	})

	test('compression that is not as declared', async () => {
		using door = await UploadDoor.open()
		const body = jsonBody() as Uint8Array<ArrayBuffer>
		const zipped = Bun.gzipSync(body)
		expect(await door.send(zipped)).toMatchObject({
			status: 400,
			message: expect.stringMatching(/looks like gzip, but Content-Encoding does not say so/),
		})
		const gzip = { 'content-encoding': 'gzip' }
		expect(await door.send(body, gzip)).toMatchObject({ status: 400, code: 'malformed_request' })
		const junk = Buffer.concat([zipped, Buffer.from('junk')])
		expect(await door.send(junk, gzip)).toMatchObject({ status: 400 })
		for (const encoding of ['br', 'deflate', 'gzip, gzip', 'gzip,identity']) {
			const answer = await door.send(zipped, { 'content-encoding': encoding })
			expect(answer).toMatchObject({ status: 415, code: 'unsupported_media_type' })
		}
		expect(door.files()).toEqual([])
	})

	test('bare bodies with bad headers', async () => {
		using door = await UploadDoor.open()
		const bytes = toBinaryForm(tinyCheckpoint())
		for (const [fields, param] of [
			[{ 'x-checkpoint-name': '../x' }, 'name'],
			[{ 'x-checkpoint-step': 'seven' }, 'step'],
			[{ 'x-checkpoint-step': '1.5' }, 'step'],
			[{ 'x-checkpoint-config': 'not base64!' }, 'config'],
			[{ 'x-checkpoint-config': base64('{') }, 'config'],
			[{ 'x-checkpoint-config': base64('[]') }, 'config'],
		] as const) {
			const answer = await door.send(bytes, bareHeaders(fields))
			expect(answer).toMatchObject({ status: 400, param })
		}
		const cut = await door.send(bytes.subarray(0, bytes.length / 2), bareHeaders())
		expect(cut).toMatchObject({ status: 400, code: 'invalid_checkpoint' })
		expect(door.files()).toEqual([])
	})

	test('a name that something else has taken', async () => {
		using door = await UploadDoor.open()
		mkdirSync(join(door.path, '../outside'))
		symlinkSync('../outside', join(door.path, 'run'))
		expect(await door.send(jsonBody())).toMatchObject({ status: 409 })
		expect(door.files()).toEqual(['run'])
	})
})

describe('limits', () => {
	test('a declared length over the limit is refused before the body is touched', async () => {
		using door = await UploadDoor.open({ bytesMax: 1000 })
		const untouched = {
			[Symbol.asyncIterator]: () => expect.unreachable('the body was read'),
		} as unknown as AsyncIterable<Uint8Array>
		const answer = await door.send(untouched, { 'content-length': '1001' })
		expect(answer).toMatchObject({ status: 413, code: 'request_too_large' })
	})

	test('an undeclared one is refused when it is passed', async () => {
		using door = await UploadDoor.open({ bytesMax: 1000 })
		expect(await door.send(jsonBody())).toMatchObject({ status: 413 })
		expect(door.files()).toEqual([])
	})

	test.each(['gzip', 'zstd'] as const)(
		'a bomb of 2 GB in %s costs little memory',
		async (encoding) => {
			using door = await UploadDoor.open({ inflatedBytesMax: 10_000_000 })
			const compress = encoding === 'gzip' ? Bun.gzipSync : Bun.zstdCompressSync
			const part = compress(Buffer.alloc(2 ** 28, ' '))
			const bomb = Buffer.concat(new Array<Uint8Array>(8).fill(part))
			Bun.gc(true)
			const before = process.memoryUsage.rss()
			const answer = await door.send(bomb, { 'content-encoding': encoding })
			expect(answer).toMatchObject({ status: 413 })
			expect(process.memoryUsage.rss() - before).toBeLessThan(32 * 2 ** 20)
			expect(door.files()).toEqual([])
		},
	)

	test.each(['gzip', 'zstd'] as const)(
		'a bomb in %s within the limit is refused as soon as it has grown 64-fold',
		async (encoding) => {
			using door = await UploadDoor.open({ inflatedBytesMax: 2 ** 40 })
			const compress = encoding === 'gzip' ? Bun.gzipSync : Bun.zstdCompressSync
			const bomb = compress(Buffer.alloc(2 ** 27, ' '))
			const answer = await door.send(bomb, { 'content-encoding': encoding })
			expect(answer).toMatchObject({ status: 413 })
			expect(door.files()).toEqual([])
		},
	)

	test('a config that nests 100,000 deep is 400, in the body and in a header', async () => {
		using door = await UploadDoor.open()
		const deep = `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`
		expect(await door.send(jsonBody({ config: deep }))).toMatchObject({
			status: 400,
			param: 'config',
			message: expect.stringContaining('brackets within each other, got more.'),
		})
		const answer = await door.send(new Uint8Array(8), {
			'content-type': 'application/octet-stream',
			'x-checkpoint-name': 'run',
			'x-checkpoint-step': '1',
			'x-checkpoint-config': btoa(deep),
		})
		expect(answer).toMatchObject({ status: 400, param: 'config' })
		expect(door.files()).toEqual([])
	})

	test('a byte order mark before the body is none of it', async () => {
		using door = await UploadDoor.open()
		const body = Buffer.concat([Buffer.from('\ufeff'), jsonBody()])
		expect(await door.send(inPieces(body, 1))).toMatchObject({ isNew: true })
	})

	test('more uploads at once than allowed get 503', async () => {
		using door = await UploadDoor.open({ uploadsMax: 1 })
		const [first, second] = await Promise.all([
			door.send(jsonBody()),
			door.send(jsonBody({ name: '"other"' })),
		])
		expect(first).toMatchObject({ isNew: true })
		expect(second).toMatchObject({ status: 503, retryAfterSeconds: 2 })
	})

	test('a sender that falls silent, leaves or fails leaves nothing', async () => {
		using door = await UploadDoor.open({ stallMs: 50 })
		const body = jsonBody()
		async function* silent() {
			yield body.subarray(0, 500)
			await new Promise(() => {})
		}
		async function* failing() {
			yield body.subarray(0, 500)
			throw new Error('connection reset')
		}
		expect(await door.send(silent())).toMatchObject({ status: 400 })
		expect(await door.send(failing())).toMatchObject({ status: 400 })
		const leaving = new AbortController()
		const answer = door.send(silent(), {}, leaving.signal)
		await eventually(() => door.files().length > 0)
		leaving.abort()
		expect(await answer).toMatchObject({ status: 400 })
		expect(door.files()).toEqual([])
		expect(door.log.filter((line) => line.startsWith('warn upload'))).toHaveLength(3)
		expect(await door.send(body)).toMatchObject({ isNew: true })
	})

	test('a zstd window is what the coding of HTTP allows, 8 MiB, in one piece or byte by byte', async () => {
		using door = await UploadDoor.open()
		const zstd = { 'content-encoding': 'zstd' }
		for (const length of [65_536, 1]) {
			const refused = await door.send(inPieces(await zstdOf(jsonBody(), 24), length), zstd)
			expect(refused).toMatchObject({ status: 400, code: 'malformed_request' })
			expect((refused as Error).message).toContain(
				'expected a zstd window of at most 8388608 bytes, got one of 16777216',
			)
			const taken = await door.send(inPieces(await zstdOf(jsonBody(), 23), length), zstd)
			expect(taken).toMatchObject({ name: 'run', step: 7 })
		}
		// Of one segment: its window is its length.
		const long = Bun.zstdCompressSync(Buffer.alloc(2 ** 24, ' '), { level: 22 })
		expect(await door.send(long, zstd)).toMatchObject({ status: 400, code: 'malformed_request' })
	})

	test('no message names a path', async () => {
		using door = await UploadDoor.open()
		writeFileSync(join(door.path, '.incoming'), 'in the way')
		const answer = await door.send(jsonBody())
		expect(answer).toMatchObject({ status: 503, code: 'storage_unavailable' })
		expect((answer as Error).message).not.toMatch(/[/\\]/)
	})

	test.skipIf(isRoot)(`a read-only directory is 503${rootNote}`, async () => {
		using door = await UploadDoor.open()
		chmodSync(door.path, 0o500)
		expect(await door.send(jsonBody())).toMatchObject({ status: 503, code: 'storage_unavailable' })
		chmodSync(door.path, 0o700)
	})

	test('a directory that has gone is 503 with the reason, and not made anew', async () => {
		using door = await UploadDoor.open()
		renameSync(door.path, `${door.path}.old`)
		const answers = [
			await door.send(jsonBody()),
			await door.send(Buffer.from('{}'), { 'x-model-file': 'config.json', 'x-upload-id': 'u' }),
			await door.sendPiece(Buffer.from('abc')),
			await door.assemble(),
		]
		for (const answer of answers) {
			expect(answer).toMatchObject({
				status: 503,
				code: 'storage_unavailable',
				message: 'Nothing is stored at the moment: the checkpoints directory does not exist.',
			})
		}
		expect(existsSync(door.path)).toBe(false)
		renameSync(`${door.path}.old`, door.path)
		expect(await door.send(jsonBody())).toMatchObject({ name: 'run', step: 7 })
	})

	test('a directory that goes while an upload is under way is not made anew either', async () => {
		using door = await UploadDoor.open()
		const body = jsonBody()
		async function* moving() {
			yield body.subarray(0, 100)
			renameSync(door.path, `${door.path}.old`)
			yield body.subarray(100)
		}
		expect(await door.send(moving())).toMatchObject({ status: 503, code: 'storage_unavailable' })
		expect(existsSync(door.path)).toBe(false)
	})
})

test.each([-1, 1])(
	'another server sees at once that its files are whole, with clocks %i hours apart',
	async (hours) => {
		using door = await UploadDoor.open()
		setSystemTime(Date.now() + hours * 3_600_000)
		try {
			await door.send(jsonBody())
		} finally {
			setSystemTime()
		}
		for (const file of ['checkpoint-7.json', 'config.json']) {
			expect(await lookAt(join(door.path, 'run', file))).toMatchObject({ endsWithWrite: false })
		}
	},
)

test('a server waits while another one moves files into the same run', async () => {
	using door = await UploadDoor.open()
	await door.send(jsonBody())
	const incoming = join(door.path, '.incoming')
	mkdirSync(incoming)
	const waiting = await withRunLock(incoming, 'run', async () => {
		const sending = door.send(jsonBody({ config: '{"domain":"second"}' }))
		await eventually(() => door.files().some((file) => file.endsWith('/manifest.json')))
		expect(domainIn(door)).toBe('novels')
		return { sending }
	})
	expect(await waiting.sending).toMatchObject({ isNew: true })
	expect(domainIn(door)).toBe('second')
	expect(door.files()).toEqual(runFiles)
})

describe('what a killed process leaves behind', () => {
	test('is swept when it was not decided', async () => {
		using door = await UploadDoor.open()
		const left = join(door.path, '.incoming', '0123456789abcdef')
		mkdirSync(left, { recursive: true })
		writeFileSync(join(left, 'checkpoint'), 'half')
		expect(await recoverUploads(door.path)).toEqual({ finished: [], unfinished: [] })
		expect(door.files()).toEqual([])
	})

	test('is finished when it was', async () => {
		using door = await UploadDoor.open()
		await door.send(jsonBody())
		const left = join(door.path, '.incoming/commit-0123456789abcdef')
		mkdirSync(left, { recursive: true })
		const files = ['checkpoint-7.json', 'config.json']
		writeFileSync(join(left, 'manifest.json'), JSON.stringify({ name: 'run', files }))
		writeFileSync(join(left, 'config.json'), '{"domain":"decided"}')
		expect(await recoverUploads(door.path)).toEqual({ finished: ['run'], unfinished: [] })
		expect(door.files()).toEqual(runFiles)
		expect(readFileSync(join(door.path, 'run/config.json'), 'utf8')).toBe('{"domain":"decided"}')
	})

	/** An upload whose process died when it had moved the checkpoint. */
	function leaveCommit(path: string): void {
		const left = join(path, '.incoming/commit-0123456789abcdef')
		mkdirSync(left, { recursive: true })
		const files = ['checkpoint-7.json', 'config.json']
		writeFileSync(join(left, 'manifest.json'), JSON.stringify({ name: 'run', files }))
		writeFileSync(join(left, 'config.json'), '{"domain":"decided"}')
	}

	test('is finished by the servers that go on, too', async () => {
		using door = await UploadDoor.open({ recoveryMs: 20 })
		await door.send(jsonBody())
		leaveCommit(door.path)
		await eventually(() => door.store.find('run')?.domain === 'decided')
		await eventually(() => door.files().length === runFiles.length)
		expect(door.log).toContain('info run run: an interrupted upload was finished')
	})

	test('is finished before another upload takes its place, and never after it', async () => {
		using door = await UploadDoor.open()
		await door.send(jsonBody())
		leaveCommit(door.path)
		await door.send(jsonBody({ config: '{"domain":"later"}' }))
		expect(await recoverUploads(door.path)).toEqual({ finished: [], unfinished: [] })
		expect(door.files()).toEqual(runFiles)
		expect(domainIn(door)).toBe('later')
	})

	test('is left alone while somebody holds its lock, however old it is', async () => {
		using door = await UploadDoor.open()
		const incoming = join(door.path, '.incoming')
		for (const name of ['0123456789abcdef', 'commit-0123456789abcdef']) {
			mkdirSync(join(incoming, name), { recursive: true })
			utimesSync(join(incoming, name), new Date(), new Date(Date.now() - 7 * 3600 * 1000))
		}
		const lock = await UploadLock.create(incoming, '0123456789abcdef')
		const before = door.files()
		await recoverUploads(door.path)
		expect(door.files()).toEqual(before)
		await lock!.release()
		await recoverUploads(door.path)
		expect(door.files()).toEqual([])
	})

	test('is a lock that nobody holds, and goes', async () => {
		using door = await UploadDoor.open()
		mkdirSync(join(door.path, '.incoming'))
		writeFileSync(join(door.path, '.incoming/0123456789abcdef.lock'), '')
		await recoverUploads(door.path)
		expect(door.files()).toEqual([])
	})

	test('that names a path outside is not believed', async () => {
		using door = await UploadDoor.open()
		const left = join(door.path, '.incoming/commit-0123456789abcdef')
		mkdirSync(left, { recursive: true })
		const manifest = { name: '../outside', files: ['config.json'] }
		writeFileSync(join(left, 'manifest.json'), JSON.stringify(manifest))
		writeFileSync(join(left, 'config.json'), '{}')
		expect(await recoverUploads(door.path)).toEqual({ finished: [], unfinished: [] })
		expect(door.files()).toEqual([])
	})
})
