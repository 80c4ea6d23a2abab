import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import {
	cpSync,
	mkdirSync,
	mkdtempSync,
	renameSync,
	rmSync,
	utimesSync,
	writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Loader } from '../../src/checkpoint/load/loader.ts'
import { type CheckpointStore, openStore } from '../../src/checkpoint/store/store.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { ModelLease } from '../../src/models/catalog.ts'
import { ModelRegistry, type ModelRegistryOptions } from '../../src/models/registry.ts'
import { generationRequest } from '../engine/requests.ts'
import { fixturePath } from '../helpers/fixtures.ts'
import { libraryPath, startEngine } from '../helpers/test-engine.ts'

let engine: Engine
let loader: Loader

beforeAll(async () => {
	engine = await startEngine()
	loader = new Loader({
		spawn: () => new Worker(new URL('../../src/checkpoint/load/worker/worker.ts', import.meta.url)),
		libraryPath,
		isa: '',
	})
})

afterAll(() => {
	engine.close()
	loader.close()
})

/** A checkpoints directory with some fixtures, the store that watches it, and a registry over both. */
async function setUp(runs: readonly string[], options: Partial<ModelRegistryOptions> = {}) {
	const directory = mkdtempSync(join(tmpdir(), 'alpha-registry-'))
	for (const [i, run] of runs.entries()) addRun(directory, run, run, i)
	const store = await openStore({
		directory,
		log: () => {},
		inspect: ({ path }) => loader.inspect({ location: { type: 'file', path }, dtype: 'f32' }),
		rescanMs: 50,
	})
	await store.inspected()
	const registry = new ModelRegistry({
		store,
		loader,
		engine,
		embedded: null,
		dtype: 'f32',
		memoryBytesMax: 2 ** 30,
		runnerBytes: () => 0,
		log: () => {},
		...options,
	})
	return {
		directory,
		store,
		registry,
		[Symbol.dispose]() {
			store.close()
			rmSync(directory, { recursive: true })
		},
	}
}

/** Copies a fixture in; larger `age` makes its files older. */
function addRun(directory: string, fixture: string, name: string, age = 0): void {
	const target = join(directory, name)
	const staging = join(directory, `.${name}`)
	cpSync(fixturePath(fixture), staging, { recursive: true })
	const time = Date.now() / 1000 - 3600 - age
	for (const file of new Bun.Glob('checkpoint-*').scanSync(staging)) {
		utimesSync(join(staging, file), time, time)
	}
	renameSync(staging, target)
}

/** Resolves when the store shows what a test waits for. */
function until(store: CheckpointStore, condition: () => boolean): Promise<void> {
	return new Promise((resolve) => {
		const check = () => {
			if (!condition()) return
			stop()
			resolve()
		}
		const stop = store.onChange(check)
		check()
	})
}

async function greedyTokens(lease: ModelLease): Promise<number[]> {
	const tokens: number[] = []
	for await (const event of lease.generate(generationRequest([1, 2, 3]))) {
		if (event.type === 'token') tokens.push(event.tokenId)
	}
	return tokens
}

describe('model registry', () => {
	test('lists the newest checkpoint first, and takes it when no model is named', async () => {
		using setup = await setUp(['v1-char', 'v2-swiglu'])
		const { registry } = setup
		expect(registry.list().map((card) => card.id)).toEqual(['v1-char', 'v2-swiglu'])
		using lease = await registry.acquire(undefined)
		expect(lease.id).toBe('v1-char')
	})

	test('loads a model on first use and says so on its card', async () => {
		using setup = await setUp(['v1-char'])
		const { registry } = setup
		expect(registry.find('v1-char')!.state).toBe('available')
		using lease = await registry.acquire('v1-char')
		expect(registry.find('v1-char')!.state).toBe('loaded')
		expect(registry.details('v1-char')).toMatchObject({ leases: 1, parameterCount: 17280 })
		expect(await greedyTokens(lease)).toHaveLength(16)
	})

	test('addresses an older step by name@step', async () => {
		using setup = await setUp(['v1-word'])
		const { registry } = setup
		using newest = await registry.acquire('v1-word')
		using older = await registry.acquire('v1-word@900')
		expect([newest.step, older.step, older.id]).toEqual([1000, 900, 'v1-word@900'])
		expect(newest.fingerprint).not.toBe(older.fingerprint)
	})

	test.each(['nothing', 'v1-word@1', 'v1-word@', '@900', '__proto__', '../v1-word'])(
		'knows no model called %p',
		async (name) => {
			using setup = await setUp(['v1-word'])
			const refusal = setup.registry.acquire(name)
			expect(refusal).rejects.toMatchObject({ kind: 'not-found' })
			await refusal.catch(() => {})
		},
	)

	test('serves a newer step at once while running generations finish on the old weights', async () => {
		using setup = await setUp(['v1-word'])
		const { directory, store, registry } = setup
		rmSync(join(directory, 'v1-word/checkpoint-1000.json'))
		await until(store, () => store.find('v1-word')?.step === 900)
		const old = await registry.acquire('v1-word')
		const before = await greedyTokens(old)
		cpSync(
			join(fixturePath('v1-word'), 'checkpoint-1000.json'),
			join(directory, 'v1-word/checkpoint-1000.json'),
		)
		await until(store, () => store.find('v1-word')?.step === 1000)
		using fresh = await registry.acquire('v1-word')
		expect(fresh.step).toBe(1000)
		expect(await greedyTokens(old)).toEqual(before)
		expect(fresh.fingerprint).not.toBe(old.fingerprint)
		old.release()
		expect(registry.details('v1-word')!.leases).toBe(1)
	})

	test('has a card for every step that can be addressed', async () => {
		using setup = await setUp(['v1-word'])
		const { registry } = setup
		expect(registry.find('v1-word@900')).toMatchObject({ id: 'v1-word@900', step: 900 })
		expect(registry.find('v1-word@901')).toBeUndefined()
		using lease = await registry.acquire('v1-word@900')
		expect(registry.details('v1-word@900')).toMatchObject({ leases: 1, parameterCount: 6400 })
		expect(registry.details('v1-word')).toMatchObject({ leases: 0 })
		expect(lease.step).toBe(900)
	})

	test('forgets a removed run when its last user has gone', async () => {
		using setup = await setUp(['v1-char', 'v2-swiglu'])
		const { directory, store, registry } = setup
		const lease = await registry.acquire('v1-char')
		rmSync(join(directory, 'v1-char'), { recursive: true })
		await until(store, () => store.find('v1-char') === undefined)
		expect(registry.find('v1-char')).toBeUndefined()
		expect(await greedyTokens(lease)).toHaveLength(16)
		lease.release()
	})

	test('tells what the served checkpoint says of itself, whatever its config.json says', async () => {
		using setup = await setUp(['v1-char'])
		const { directory, store, registry } = setup
		const modelConfig = { vocabSize: 5, trainedBy: 'me' }
		writeFileSync(join(directory, 'v1-char/config.json'), JSON.stringify({ modelConfig }))
		await until(store, () => 'trainedBy' in registry.list()[0]!.modelConfig)
		expect(registry.list()[0]!.modelConfig).toMatchObject({ vocabSize: 35, trainedBy: 'me' })
	})

	test('says why a damaged run cannot be asked for', async () => {
		using setup = await setUp(['v1-char'])
		const { directory, store, registry } = setup
		mkdirSync(join(directory, 'broken'))
		writeFileSync(join(directory, 'broken/config.json'), '{')
		await until(store, () => store.unserved()[0]?.state === 'damaged')
		expect(registry.listUnserved()).toMatchObject([{ id: 'broken', state: 'damaged' }])
		const refusal = registry.acquire('broken')
		expect(refusal).rejects.toMatchObject({
			kind: 'not-found',
			message: expect.stringContaining('config.json'),
		})
		await refusal.catch(() => {})
	})

	test('lets a run of the directory take the place of the embedded model of that name', async () => {
		const embedded = {
			name: 'v1-char',
			step: 1,
			mtimeMs: 0,
			config: { modelConfig: { blockSize: 64 }, trainConfig: {}, domain: null, runId: null },
			lastLoss: null,
			checkpointBytes: 1,
			async readCheckpoint() {
				const path = join(fixturePath('v1-char'), 'checkpoint-300.json')
				const bytes = new Uint8Array(new SharedArrayBuffer(Bun.file(path).size))
				bytes.set(await Bun.file(path).bytes())
				return bytes
			},
			readMetrics: async () => ({ lineCount: 0, badLineCount: 0, points: [] }),
		}
		using without = await setUp(['v2-swiglu'], { embedded })
		expect(without.registry.list().map((card) => [card.id, card.embedded])).toEqual([
			['v2-swiglu', false],
			['v1-char', true],
		])
		using lease = await without.registry.acquire('v1-char')
		expect(await greedyTokens(lease)).toHaveLength(16)
		using shadowed = await setUp(['v1-char'], { embedded })
		expect(shadowed.registry.list().map((card) => card.embedded)).toEqual([false])
	})

	test('unloads a model on request, once nobody uses it', async () => {
		using setup = await setUp(['v1-char'])
		const { registry } = setup
		const lease = await registry.acquire('v1-char')
		expect(await registry.unload('v1-char')).toBe(true)
		expect(registry.find('v1-char')!.state).toBe('loaded')
		lease.release()
		expect(registry.find('v1-char')!.state).toBe('available')
		expect(await registry.unload('v1-char')).toBe(false)
	})
})
