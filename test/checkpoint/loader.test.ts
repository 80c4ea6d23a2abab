import { afterAll, describe, expect, test } from 'bun:test'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { memorySource } from '../../src/checkpoint/formats/byte-source.ts'
import { openCheckpoint, openDirectory } from '../../src/checkpoint/formats/open.ts'
import { Loader } from '../../src/checkpoint/load/loader.ts'
import { openBuiltinModel } from '../../src/commands/packaged-files.ts'
import type { Fault } from '../../src/lib/fault.ts'
import { families, familyDirectory } from '../helpers/families.ts'
import { embeddedModel, trainedModels } from '../helpers/fixtures.ts'
import { mkfifoSync } from '../helpers/mkfifo.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { libraryPath } from '../helpers/test-engine.ts'
import { tinyCheckpoint, toBinaryForm, toJsonForm } from '../helpers/tiny-checkpoint.ts'

const workerUrl = new URL('../../src/checkpoint/load/worker/worker.ts', import.meta.url)
const workers: Worker[] = []
const loader = new Loader({
	spawn: () => {
		const worker = new Worker(workerUrl)
		workers.push(worker)
		return worker
	},
	libraryPath,
	isa: '',
})
afterAll(() => loader.close())

const file = (path: string) => ({ location: { type: 'file', path }, dtype: 'f32' }) as const
const memory = (bytes: Uint8Array) =>
	({ location: { type: 'memory', bytes }, dtype: 'f32' }) as const

async function failureOf(request: Promise<unknown>): Promise<Fault> {
	return (await request.then(
		() => expect.unreachable('the request succeeded'),
		(error) => error,
	)) as Fault
}

describe('the loader', () => {
	test('loads, verifies and inspects with the same facts', async () => {
		const { checkpointPath } = embeddedModel()
		const [loaded, verified, inspected] = await Promise.all([
			loader.load(file(checkpointPath)),
			loader.verify(file(checkpointPath)),
			loader.inspect(file(checkpointPath)),
		])
		expect(verified).toEqual(inspected)
		expect(loaded).toMatchObject(inspected)
		expect(inspected.parameterCount).toBe(3_476_352)
		expect(inspected.tokenizer).toMatchObject({ type: 'bpe', vocabSize: 2000 })
		expect(loaded.arena.byteLength).toBe(inspected.arenaBytes)
	})

	test('finds in the built-in model what is told of it before it is read', async () => {
		const { facts, readCheckpoint } = await openBuiltinModel()
		expect(await loader.inspect(memory(await readCheckpoint()))).toMatchObject(facts)
	})

	test('gives a model one digest in both forms, and other weights another', async () => {
		const tiny = { ...tinyCheckpoint({ softCap: 30 }) }
		const digestOf = async (bytes: Uint8Array) => (await loader.load(memory(bytes))).digest
		const digest = await digestOf(toJsonForm(tiny))
		expect(await digestOf(toBinaryForm(tiny))).toBe(digest)
		tiny.tensors = [...tiny.tensors].reverse()
		expect(await digestOf(toBinaryForm(tiny))).toBe(digest)
		expect(await digestOf(toBinaryForm(tinyCheckpoint({ softCap: 30 }, 2)))).not.toBe(digest)
	})

	test('loads from shared memory as from a file', async () => {
		const { checkpointPath } = trainedModels()[0]!
		const bytes = await Bun.file(checkpointPath).bytes()
		const shared = new Uint8Array(new SharedArrayBuffer(bytes.length))
		shared.set(bytes)
		const [fromFile, fromMemory] = await Promise.all([
			loader.load(file(checkpointPath)),
			loader.load(memory(shared)),
		])
		expect(fromMemory.digest).toBe(fromFile.digest)
	})

	test('brings the tokenizer that the file has, a large one included', async () => {
		const name = 'nanogpt-gpt2bpe'
		using directory = familyDirectory(name)
		const files = [{ name: 'ckpt.pt' }]
		const location = { type: 'directory', path: join(families, name), files } as const
		const [large, small] = await Promise.all([
			loader.load({ location, dtype: 'f32' }),
			loader.load(memory(toJsonForm(tinyCheckpoint()))),
		])
		expect(large.tokenizerSpec).toEqual(openDirectory(directory).parseTokenizer())
		expect(large.tokenizerSpec.vocab).toHaveLength(50_257)
		const tiny = openCheckpoint(memorySource(toJsonForm(tinyCheckpoint())))
		expect(small.tokenizerSpec).toEqual(tiny.parseTokenizer())
	})

	test('answers a refusal with its public message', async () => {
		const error = await failureOf(loader.load(memory(Buffer.from('{"params":{}}'))))
		expect(error).toMatchObject({
			kind: 'invalid',
			message: expect.stringMatching('modelConfig: expected an object'),
		})
	})

	test('never names a path', async () => {
		const error = await failureOf(loader.inspect(file('/nonexistent/secret/checkpoint-1.json')))
		expect(error.kind).toBe('unreadable')
		expect(error.message).toBe('the file cannot be read (ENOENT)')
	})

	test('follows no link, waits for no FIFO, reads no device or directory', async () => {
		using directory = tempDir()
		const link = join(directory.path, 'link')
		const fifo = join(directory.path, 'fifo')
		symlinkSync(embeddedModel().checkpointPath, link)
		mkfifoSync(fifo)
		expect((await failureOf(loader.load(file(link)))).message).toMatch('ELOOP')
		for (const path of [fifo, '/dev/zero', directory.path]) {
			expect((await failureOf(loader.load(file(path)))).message).toBe('expected a regular file')
		}
	})

	test('refuses a file that is cut while others load', async () => {
		using directory = tempDir()
		const path = join(directory.path, 'checkpoint-1.json')
		writeFileSync(path, toBinaryForm(tinyCheckpoint()).subarray(0, 500))
		const [error, info] = await Promise.all([
			failureOf(loader.load(file(path))),
			loader.load(memory(toJsonForm(tinyCheckpoint()))),
		])
		expect(error.kind).toBe('invalid')
		expect(info.parameterCount).toBeGreaterThan(0)
	})

	test('goes on in a new thread when one has died', async () => {
		const { checkpointPath } = embeddedModel()
		const before = workers.length
		const lost = failureOf(loader.load(file(checkpointPath)))
		const waiting = loader.inspect(file(checkpointPath))
		workers.at(-1)?.dispatchEvent(new ErrorEvent('error', { message: 'killed by a test' }))
		expect(await lost).toMatchObject({ kind: 'bug', message: 'the loader died: killed by a test' })
		expect((await waiting).parameterCount).toBe(3_476_352)
		expect(workers.length).toBe(before + 1)
	})
})
