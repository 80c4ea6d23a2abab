/** Uploads that come in pieces. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PIECES_MS_MAX, PieceStore } from '../../src/upload/pieces.ts'
import { StagedRun } from '../../src/upload/staging.ts'
import { tinyCheckpoint, toBinaryForm } from '../helpers/tiny-checkpoint.ts'
import { metrics, RunsFixture, start } from '../runs/runs-fixture.ts'
import { UploadDoor, versioned } from './upload-fixture.ts'

const gzipped = (version = 1) =>
	Bun.gzipSync(toBinaryForm(versioned(version)) as Uint8Array<ArrayBuffer>)

/** The parts of some bytes, all but the last of equal length. */
function cut(bytes: Uint8Array, count: number): Uint8Array[] {
	const length = Math.ceil(bytes.length / count)
	return Array.from({ length: count }, (_, i) => bytes.subarray(i * length, (i + 1) * length))
}

describe('an upload in pieces is served when it is put together', () => {
	test('as the trainer sends it', async () => {
		using door = await UploadDoor.open()
		const parts = cut(gzipped(), 2)
		expect(await door.sendPiece(parts[0]!, { index: 0, total: 2 })).toMatchObject({
			received: 1,
			total: 2,
		})
		expect(await door.sendPiece(parts[1]!, { index: 1, total: 2 })).toMatchObject({
			received: 2,
			total: 2,
		})
		const lines = '{"step":1,"loss":2}\n{"step":7,"loss":1.5,"valLoss":1.6}\n'
		const answer = await door.assemble({
			totalChunks: '2',
			metrics: JSON.stringify(lines),
			trainingData: JSON.stringify('Once \u{1f600}\n'),
		})
		expect(answer).toMatchObject({ name: 'run', step: 7, isNew: true })
		expect(door.store.find('run')).toMatchObject({ step: 7, domain: 'novels', lastLoss: 1.6 })
		expect(readFileSync(join(door.path, 'run/metrics.jsonl'), 'utf8')).toBe(lines)
		expect(readFileSync(join(door.path, 'run/training-data.txt'), 'utf8')).toBe('Once \u{1f600}\n')
		expect(
			Buffer.from(toBinaryForm(versioned(1))).equals(
				readFileSync(join(door.path, 'run/checkpoint-7.json')),
			),
		).toBe(true)
	})

	test('in any order, with pieces that come again: the last one counts', async () => {
		using door = await UploadDoor.open()
		const parts = cut(gzipped(), 5)
		for (const index of [4, 0, 2, 2, 1, 3]) {
			await door.sendPiece(Buffer.from('something else'), { index, total: 5 })
		}
		for (const index of [3, 1, 0, 4, 2, 4]) await door.sendPiece(parts[index]!, { index, total: 5 })
		expect(await door.assemble({ totalChunks: '5' })).toMatchObject({ isNew: true })
	})

	test('also when the server was started anew in between', async () => {
		using door = await UploadDoor.open()
		const parts = cut(gzipped(), 3)
		for (const index of [0, 1, 2]) {
			await door.sendPiece(parts[index]!, { index, total: 3 })
			await door.restart()
		}
		expect(await door.assemble({ totalChunks: '3' })).toMatchObject({ isNew: true })
	})

	test('beside others', async () => {
		using door = await UploadDoor.open()
		const uploads = [1, 2, 3, 4].map((version) => ({ version, parts: cut(gzipped(version), 4) }))
		for (const index of [0, 1, 2, 3]) {
			await Promise.all(
				uploads.map(({ version, parts }) =>
					door.sendPiece(parts[index]!, { id: `run ${version}`, index, total: 4 }),
				),
			)
		}
		const answers = await Promise.all(
			uploads.map(({ version }) =>
				door.assemble({ uploadId: `"run ${version}"`, name: `"run-${version}"`, totalChunks: '4' }),
			),
		)
		expect(answers.map((answer) => 'isNew' in answer && answer.isNew)).toEqual([
			true,
			true,
			true,
			true,
		])
		expect(door.store.runs()).toHaveLength(4)
	})

	test('under a name of its own, found by what its trainer calls it', async () => {
		using door = await UploadDoor.open()
		await door.sendPiece(gzipped(), { id: 'war & peace_7_1' })
		const answer = await door.assemble({ uploadId: '"war & peace_7_1"', name: '"war & peace"' })
		expect(answer).toMatchObject({ name: expect.stringMatching(/^war-peace-[0-9a-f]{8}$/) })
		expect(door.store.findByRunId('war & peace')?.name).toMatch(/^war-peace-/)
	})

	test('when it is not compressed, too', async () => {
		using door = await UploadDoor.open()
		await door.sendPiece(new Uint8Array(toBinaryForm(tinyCheckpoint())))
		expect(await door.assemble()).toMatchObject({ isNew: true })
	})

	test('and can be asked for again when the answer was lost', async () => {
		using door = await UploadDoor.open()
		await door.sendPiece(gzipped())
		await door.assemble()
		await door.restart()
		expect(await door.sendPiece(gzipped())).toMatchObject({ received: 1 })
		expect(await door.assemble()).toMatchObject({ name: 'run', step: 7, isNew: false })
		const [upload = ''] = readdirSync(join(door.path, '.pieces'))
		expect(readdirSync(join(door.path, '.pieces', upload))).toEqual(['done.json'])
	})
})

describe('an upload in pieces is refused', () => {
	test('while one is missing, and taken when that has come', async () => {
		using door = await UploadDoor.open()
		const parts = cut(gzipped(), 3)
		await door.sendPiece(parts[0]!, { index: 0, total: 3 })
		await door.sendPiece(parts[2]!, { index: 2, total: 3 })
		const refusal = await door.assemble({ totalChunks: '3' })
		expect(refusal).toMatchObject({ status: 400, param: 'totalChunks' })
		expect(refusal).toHaveProperty('message', expect.stringContaining('missing: 1'))
		await door.sendPiece(parts[1]!, { index: 1, total: 3 })
		expect(await door.assemble({ totalChunks: '3' })).toMatchObject({ isNew: true })
	})

	test.each([
		['uploadId', ''],
		['name', ''],
		['step', ''],
		['totalChunks', ''],
		['config', ''],
		['name', '""'],
		['step', '-1'],
		['totalChunks', '0'],
		['totalChunks', '1e9'],
		['config', '[]'],
		['metrics', '[]'],
		['trainingData', '{}'],
	])('for its %s when that is "%s"', async (field, value) => {
		using door = await UploadDoor.open()
		await door.sendPiece(gzipped())
		expect(await door.assemble({ [field]: value })).toMatchObject({ status: 400, param: field })
		expect(door.store.runs()).toEqual([])
	})

	test.each([
		[{ id: '' }, 'uploadId'],
		[{ index: 1 }, 'X-Chunk-Index'],
		[{ index: '-1' }, 'X-Chunk-Index'],
		[{ index: '../0' }, 'X-Chunk-Index'],
		[{ total: '0' }, 'X-Total-Chunks'],
		[{ total: '1e3' }, 'X-Total-Chunks'],
	])('for a piece with %j', async (fields, param) => {
		using door = await UploadDoor.open()
		expect(await door.sendPiece(gzipped(), fields)).toMatchObject({ status: 400, param })
		expect(door.files()).toEqual([])
	})

	test('when it is no checkpoint, and leaves nothing but its pieces', async () => {
		using door = await UploadDoor.open()
		await door.sendPiece(Bun.gzipSync(Buffer.from('{"modelConfig":{}}')))
		expect(await door.assemble()).toMatchObject({ status: 400, code: 'invalid_checkpoint' })
		await door.sendPiece(gzipped().subarray(0, 200))
		expect(await door.assemble()).toMatchObject({ status: 400 })
		expect(readdirSync(door.path)).toEqual(['.pieces'])
	})

	test('when its pieces, or those of all, take more room than they may', async () => {
		using door = await UploadDoor.open({ bytesMax: 1000 })
		expect(await door.sendPiece(new Uint8Array(900), { index: 0, total: 9 })).toMatchObject({
			received: 1,
		})
		expect(await door.sendPiece(new Uint8Array(200), { index: 1, total: 9 })).toMatchObject({
			status: 413,
		})
		expect(await door.sendPiece(new Uint8Array(800), { index: 0, total: 9 })).toMatchObject({
			received: 1,
		})
		expect(await door.sendPiece(new Uint8Array(200), { index: 1, total: 9 })).toMatchObject({
			received: 2,
		})
		for (const id of ['b', 'c', 'd'])
			expect(await door.sendPiece(new Uint8Array(1000), { id })).toMatchObject({ received: 1 })
		expect(await door.sendPiece(new Uint8Array(1), { id: 'e' })).toMatchObject({ status: 503 })
	})
})

describe('pieces that nobody goes on with', () => {
	test('are swept an hour after the last one', async () => {
		using door = await UploadDoor.open()
		let nowMs = Date.now()
		const limits = { bytesMax: 1000, totalBytesMax: 1000 }
		const pieces = new PieceStore({
			directory: door.path,
			...limits,
			log: () => {},
			now: () => nowMs,
		})
		const body = async function* () {
			yield new Uint8Array(900)
		}
		await pieces.put('a', 0, body())
		nowMs += PIECES_MS_MAX - 1
		await pieces.sweep()
		expect(existsSync(join(door.path, '.pieces'))).toBe(true)
		// The file system's clock had the last word on when a piece came.
		nowMs += 60_000
		await pieces.sweep()
		expect(door.files()).toEqual([])
		// Their room is free again.
		expect(await pieces.put('b', 0, body())).toBe(1)
		pieces.close()
	})
})

describe('several servers on one directory', () => {
	test('put an upload together whichever of them gets which piece', async () => {
		using one = await UploadDoor.open()
		using other = await UploadDoor.beside(one)
		const parts = cut(gzipped(), 4)
		for (const [index, part] of parts.entries()) {
			const door = index % 2 === 0 ? one : other
			expect(await door.sendPiece(part, { index, total: 4 })).toMatchObject({ received: index + 1 })
		}
		expect(await other.assemble({ totalChunks: '4' })).toMatchObject({ step: 7, isNew: true })
		expect(await one.assemble({ totalChunks: '4' })).toMatchObject({ step: 7, isNew: false })
		// What came to the first one is gone, and takes no room there.
		expect(await one.sendPiece(parts[0]!, { index: 0, total: 4 })).toMatchObject({ received: 4 })
	})

	test('leave alone what is arriving at another one, and sweep what it left when it died', async () => {
		using one = await UploadDoor.open()
		const { promise: isEnding, resolve: end } = Promise.withResolvers<void>()
		const { promise: hasBegun, resolve: begin } = Promise.withResolvers<void>()
		const [first, second] = cut(gzipped(), 2) as [Uint8Array, Uint8Array]
		const headers = new Headers({
			'x-upload-id': 'run_7_1',
			'x-chunk-index': '0',
			'x-total-chunks': '2',
		})
		const body = (async function* () {
			yield first.subarray(0, 10)
			begin()
			await isEnding
			yield first.subarray(10)
		})()
		const { signal } = new AbortController()
		const arriving = one.receiver.receivePiece({ headers, body, signal })
		await hasBegun
		using other = await UploadDoor.beside(one)
		await other.sendPiece(second, { index: 1, total: 2 })
		const dead = join(one.path, '.pieces', readdirSync(join(one.path, '.pieces'))[0]!, '7.dead.tmp')
		writeFileSync(dead, 'half a pie')
		using third = await UploadDoor.beside(one)
		expect(await third.assemble({ totalChunks: '2' })).toMatchObject({ status: 400 })
		expect(existsSync(dead)).toBe(false)
		end()
		expect(await arriving).toMatchObject({ received: 2 })
		expect(await third.assemble({ totalChunks: '2' })).toMatchObject({ isNew: true })
	})

	test('sweep an upload an hour after the last piece that any of them got', async () => {
		using door = await UploadDoor.open()
		let nowMs = Date.now()
		const open = () =>
			new PieceStore({
				...{ directory: door.path, bytesMax: 1000, totalBytesMax: 1000 },
				...{ log: () => {}, now: () => nowMs },
			})
		const body = async function* () {
			yield new Uint8Array(200)
		}
		const [one, other] = [open(), open()]
		await one.put('a', 0, body())
		await other.put('a', 1, body())
		const [id = ''] = readdirSync(join(door.path, '.pieces'))
		nowMs += PIECES_MS_MAX + 60_000
		await one.put('a', 2, body())
		utimesSync(join(door.path, '.pieces', id), nowMs / 1000, nowMs / 1000)
		await other.sweep()
		expect(await one.put('a', 3, body())).toBe(4)
		nowMs += PIECES_MS_MAX + 60_000
		await other.sweep()
		expect(door.files()).toEqual([])
		one.close()
		other.close()
	})
})

describe('metrics that were reported', () => {
	test('stay when those of the upload end earlier, and are replaced when they do not', async () => {
		using at = await RunsFixture.open()
		await at.report(start('run'), metrics('run', 1, 20))
		const stored = () =>
			readFileSync(at.pathOf('run', 'metrics.jsonl'), 'utf8').trimEnd().split('\n')
		const before = stored()
		const commit = async (lines: readonly string[]) => {
			const staged = await StagedRun.create(at.path)
			await staged.writeFile('metrics.jsonl', lines.map((line) => `${line}\n`).join(''))
			await at.runs.aroundCommit('run', staged, () => staged.commit('run'))
			await staged.remove()
		}
		await commit(before.slice(0, 15))
		expect(stored()).toEqual(before)
		await commit([before[9]!, before[14]!])
		expect(stored()).toEqual(before)
		const whole = before.map((line) => line.replace('}', ',"lr":1}'))
		await commit(whole)
		expect(stored()).toEqual(whole)
		expect(at.runs.find('run')).toMatchObject({ metricCount: 20, latestStep: 20 })
		await at.report(metrics('run', 21, 22))
		expect(stored()).toHaveLength(22)
	})
})

test('a file whose step is none is refused, although files need no step', async () => {
	using door = await UploadDoor.open()
	const file = { 'x-model-file': 'model.safetensors', 'x-upload-id': 'an-upload' }
	const headers = new Headers({ ...file, 'x-checkpoint-step': '{}' })
	const { signal } = new AbortController()
	const body = (async function* () {
		yield new Uint8Array(8)
	})()
	await expect(door.receiver.receive({ headers, body, signal })).rejects.toMatchObject({
		status: 400,
		param: 'step',
	})
})
