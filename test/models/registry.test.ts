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
import { Fault } from '../../src/lib/fault.ts'
import { builtinSource } from '../../src/models/builtin.ts'
import type { ModelLease } from '../../src/models/catalog.ts'
import { ModelRegistry } from '../../src/models/registry.ts'
import type { ModelSource } from '../../src/models/source.ts'
import { StoredRuns } from '../../src/models/stored-runs.ts'
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
async function setUp(runs: readonly string[], laterSources: readonly ModelSource[] = []) {
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
		sources: [new StoredRuns(store), ...laterSources],
		loader,
		engine,
		dtype: 'f32',
		memoryBytesMax: 2 ** 30,
		runnerBytes: () => 0,
		log: () => {},
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

/** The built-in model under test: fixture `v1-char` under another name. */
function builtinFixture(id: string): ModelSource {
	const file = Bun.file(join(fixturePath('v1-char'), 'checkpoint-300.json'))
	return builtinSource({
		id,
		trainingStep: 300,
		mtimeMs: 0,
		config: { modelConfig: { blockSize: 64 }, trainConfig: {}, domain: null, runId: null },
		trainingLog: '',
		checkpointBytes: file.size,
		facts: {
			form: 'json',
			config: { family: 'alpha' },
			parameterCount: 17_280,
			tokenizer: {
				type: 'char',
				vocabSize: 60,
				mergeCount: 0,
				hasChatTemplate: false,
				specialTokens: [],
			},
		},
		async readCheckpoint() {
			const bytes = new Uint8Array(new SharedArrayBuffer(file.size))
			bytes.set(await file.bytes())
			return bytes
		},
	})
}

function setRunId(directory: string, run: string, runId: string): void {
	writeFileSync(join(directory, run, 'config.json'), JSON.stringify({ runId }))
}

/** Resolves when the store shows what a test waits for. */
function until(store: CheckpointStore, condition: () => boolean): Promise<void> {
	return new Promise((resolve) => {
		const check = () => {
			if (condition()) resolve()
		}
		store.onChange(check)
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
		expect([newest.trainingStep, older.trainingStep, older.id]).toEqual([1000, 900, 'v1-word@900'])
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
		expect(fresh.trainingStep).toBe(1000)
		expect(await greedyTokens(old)).toEqual(before)
		expect(fresh.fingerprint).not.toBe(old.fingerprint)
		old[Symbol.dispose]()
		expect(registry.details('v1-word')!.leases).toBe(1)
	})

	test('has a card for every step that can be addressed', async () => {
		using setup = await setUp(['v1-word'])
		const { registry } = setup
		expect(registry.find('v1-word@900')).toMatchObject({ id: 'v1-word@900', trainingStep: 900 })
		expect(registry.find('v1-word@901')).toBeUndefined()
		using lease = await registry.acquire('v1-word@900')
		expect(registry.details('v1-word@900')).toMatchObject({ leases: 1, parameterCount: 6400 })
		expect(registry.details('v1-word')).toMatchObject({ leases: 0 })
		expect(lease.trainingStep).toBe(900)
	})

	test('forgets a removed run when its last user has gone', async () => {
		using setup = await setUp(['v1-char', 'v2-swiglu'])
		const { directory, store, registry } = setup
		const lease = await registry.acquire('v1-char')
		rmSync(join(directory, 'v1-char'), { recursive: true })
		await until(store, () => store.find('v1-char') === undefined)
		expect(registry.find('v1-char')).toBeUndefined()
		expect(await greedyTokens(lease)).toHaveLength(16)
		lease[Symbol.dispose]()
	})

	test('tells what the served checkpoint says of itself, whatever its config.json says', async () => {
		using setup = await setUp(['v1-char'])
		const { directory, store, registry } = setup
		const modelConfig = { vocabSize: 5, trainedBy: 'me' }
		writeFileSync(join(directory, 'v1-char/config.json'), JSON.stringify({ modelConfig }))
		await until(store, () => 'trainedBy' in registry.list()[0]!.modelConfig)
		expect(registry.list()[0]!.modelConfig).toMatchObject({ vocabSize: 35, trainedBy: 'me' })
	})

	test('finds a run that another server stored a moment ago, at the first request', async () => {
		using setup = await setUp(['v1-char'])
		const { directory, registry } = setup
		addRun(directory, 'v1-word', 'new')
		using lease = await registry.acquire('new@900')
		expect(lease.id).toBe('new@900')
		using newest = await registry.acquire('new')
		expect(newest.trainingStep).toBe(1000)
	})

	test('says why a damaged run cannot be asked for', async () => {
		using setup = await setUp(['v1-char'])
		const { directory, store, registry } = setup
		mkdirSync(join(directory, 'broken'))
		writeFileSync(join(directory, 'broken/config.json'), '{')
		await until(store, () => store.unserved()[0]?.fault.kind === 'damaged')
		expect(registry.listUnserved()).toMatchObject([{ id: 'broken', state: 'damaged' }])
		const refusal = registry.acquire('broken')
		expect(refusal).rejects.toMatchObject({
			kind: 'not-found',
			message: expect.stringContaining('config.json'),
		})
		await refusal.catch(() => {})
	})

	test('lets a run of the directory take the place of the built-in model of that name', async () => {
		const builtin = builtinFixture('v1-char')
		using without = await setUp(['v2-swiglu'], [builtin])
		expect(without.registry.list().map((card) => [card.id, card.isBuiltin])).toEqual([
			['v2-swiglu', false],
			['v1-char', true],
		])
		using lease = await without.registry.acquire('v1-char')
		expect(await greedyTokens(lease)).toHaveLength(16)
		using shadowed = await setUp(['v1-char'], [builtin])
		expect(shadowed.registry.list().map((card) => card.isBuiltin)).toEqual([false])
	})

	test('tells what the built-in model is before it is loaded', async () => {
		using setup = await setUp([], [builtinFixture('builtin')])
		const { card, ...details } = setup.registry.details('builtin')!
		expect(card).toMatchObject({ state: 'available', format: 'json', family: 'alpha' })
		expect(details).toMatchObject({ parameterCount: 17_280, memoryBytes: null })
	})

	test('lets no built-in model stand in for a damaged run of its name', async () => {
		using setup = await setUp([], [builtinFixture('v1-char')])
		const { directory, store, registry } = setup
		mkdirSync(join(directory, 'v1-char'))
		writeFileSync(join(directory, 'v1-char/config.json'), '[')
		await until(store, () => store.findUnserved('v1-char')?.fault.kind === 'damaged')
		expect(registry.find('v1-char')).toBeUndefined()
		expect(registry.list()).toEqual([])
	})

	test('answers for the built-in model by id@step too', async () => {
		using setup = await setUp([], [builtinFixture('v1-char')])
		const { registry } = setup
		expect(registry.find('v1-char@300')).toMatchObject({ id: 'v1-char@300', isBuiltin: true })
		expect(registry.find('v1-char@301')).toBeUndefined()
	})

	test('knows a run by the run id of its config, and answers with its name', async () => {
		using setup = await setUp(['v1-word'])
		const { directory, store, registry } = setup
		setRunId(directory, 'v1-word', '2026_x')
		await until(store, () => store.findByRunId('2026_x') !== undefined)
		expect(registry.find('2026_x')?.id).toBe('v1-word')
		expect(registry.find('2026_x@900')?.id).toBe('v1-word@900')
	})

	test('never takes a run id for what is listed under that name', async () => {
		using setup = await setUp(['v1-word', 'v2-swiglu'], [builtinFixture('builtin')])
		const { directory, store, registry } = setup
		for (const taken of ['builtin', 'v1-word', 'v1-word@900']) {
			setRunId(directory, 'v2-swiglu', taken)
			await until(store, () => store.find('v2-swiglu')?.runId === taken)
			expect(registry.find(taken)?.id).toBe(taken)
		}
	})

	test('lets no copy with the same run id stand in for a damaged run', async () => {
		using setup = await setUp(['v1-word', 'v2-swiglu'])
		const { directory, store, registry } = setup
		setRunId(directory, 'v1-word', '2026_x')
		setRunId(directory, 'v2-swiglu', 'v1-word')
		cpSync(join(directory, 'v1-word/config.json'), join(directory, 'v2-swiglu/config.json'))
		await until(store, () => store.find('v2-swiglu')?.runId === '2026_x')
		for (const file of new Bun.Glob('checkpoint-*').scanSync(join(directory, 'v1-word'))) {
			writeFileSync(join(directory, 'v1-word', file), '[1, 2, 3, 4]')
		}
		await store.rescan()
		await until(store, () => store.findUnserved('v1-word')?.fault.kind === 'damaged')
		for (const name of ['v1-word', '2026_x']) {
			const refusal = registry.acquire(name)
			expect(refusal).rejects.toMatchObject({ kind: 'not-found' })
			await refusal.catch(() => {})
		}
	})

	test.each(['v1-word@0900', 'v1-word@900.', 'v1-word@+900'])(
		'has one spelling for a step: not %p',
		async (name) => {
			using setup = await setUp(['v1-word'])
			expect(setup.registry.find(name)).toBeUndefined()
		},
	)

	test('reads with where the bytes are, once more where they were replaced meanwhile', async () => {
		using at = await setUp(['v1-bpe'])
		const replaced = new Fault('unreadable', 'the file has changed')
		const tries: string[] = []
		const read = at.registry.read('v1-bpe', async ({ card }) => {
			tries.push(card.id)
			if (tries.length === 1) throw replaced
			return 'read'
		})
		expect([await read, tries]).toEqual(['read', ['v1-bpe', 'v1-bpe']])
		const never = at.registry.read('v1-bpe', () => Promise.reject(replaced))
		await expect(never).rejects.toMatchObject({
			kind: 'changing',
			message: 'The checkpoint is changing: the file has changed',
		})
		const refused = new Fault('invalid', 'no such form')
		expect(at.registry.read('v1-bpe', () => Promise.reject(refused))).rejects.toBe(refused)
	})

	test('unloads a model on request, once nobody uses it', async () => {
		using setup = await setUp(['v1-char'])
		const { registry } = setup
		const lease = await registry.acquire('v1-char')
		expect(await registry.unload('v1-char')).toBe(true)
		expect(registry.find('v1-char')!.state).toBe('loaded')
		lease[Symbol.dispose]()
		expect(registry.find('v1-char')!.state).toBe('available')
		expect(await registry.unload('v1-char')).toBe(false)
	})
})
