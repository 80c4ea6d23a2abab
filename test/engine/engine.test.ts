import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import type { Engine } from '../../src/engine/engine.ts'
import { TOP_LOGPROBS_MAX } from '../../src/engine/generation.ts'
import { decodeSteps, type FromWorker } from '../../src/engine/messages.ts'
import { openKernels } from '../../src/kernels/binding.ts'
import { Fault } from '../../src/lib/fault.ts'
import type { Log } from '../../src/lib/log.ts'
import { eventually } from '../helpers/eventually.ts'
import { forwardPass } from '../helpers/forward-pass.ts'
import { randomModel, tinyConfig } from '../helpers/random-model.ts'
import { complete, libraryPath, startEngine } from '../helpers/test-engine.ts'
import { tokenState } from '../helpers/token-state.ts'
import { generationRequest, greedy } from './requests.ts'

const config = tinyConfig()
const sampling = { ...greedy, temperature: 1, seed: 42 }
const prompt = Array.from({ length: 20 }, (_, i) => (i * 7) % config.vocabSize)

let engine: Engine
let model: { key: number; contextLength: number }

const kernels = openKernels(libraryPath)
kernels.select('')
const network = randomModel(kernels, config)

beforeAll(async () => {
	engine = await startEngine({ queueLengthMax: 8, sequencesMax: 16 })
	const key = await engine.load(network)
	model = { key, contextLength: config.contextLength }
})

afterAll(() => engine.close())

describe('engine', () => {
	test('generates as many tokens as asked for and says why it ended', async () => {
		const { promptTokens, choices } = await complete(engine, model, generationRequest(prompt))
		expect(promptTokens).toBe(20)
		expect(choices[0]!.tokenIds).toHaveLength(16)
		expect(choices[0]!.finishReason).toBe('length')
	})

	test('rolls its window far beyond the context length', async () => {
		const request = generationRequest(prompt, { maxTokens: 2048, sampling })
		const { choices } = await complete(engine, model, request)
		expect(choices[0]!.tokenIds).toHaveLength(2048)
	})

	test('generates after a roll what a fresh prompt of the kept half gives', async () => {
		const first = await complete(engine, model, generationRequest(prompt, { maxTokens: 60 }))
		const all = [...prompt, ...first.choices[0]!.tokenIds]
		const kept = all.slice(config.contextLength / 2, config.contextLength)
		const again = await complete(engine, model, generationRequest(kept, { maxTokens: 16 }))
		expect(again.choices[0]!.tokenIds).toEqual(all.slice(config.contextLength))
	})

	test('stops at the end of the context when truncation is disabled', async () => {
		const request = generationRequest(prompt, { maxTokens: 2048, truncation: 'disabled' })
		const { choices } = await complete(engine, model, request)
		expect(choices[0]!.tokenIds).toHaveLength(config.contextLength - prompt.length)
		expect(choices[0]!.finishReason).toBe('length')
	})

	test('keeps the end of a prompt that does not fit', async () => {
		const long = Array.from({ length: 200 }, (_, i) => (i * 13) % config.vocabSize)
		const cut = await complete(engine, model, generationRequest(long))
		const end = await complete(engine, model, generationRequest(long.slice(-63)))
		expect(cut.promptTokens).toBe(63)
		expect(cut.choices).toEqual(end.choices)
	})

	test('ends with stop at a stop token, which is not part of the answer', async () => {
		const free = await complete(engine, model, generationRequest(prompt, { sampling }))
		const tokens = free.choices[0]!.tokenIds
		const stop = tokens[5]!
		const request = generationRequest(prompt, { sampling, stopTokenIds: [stop] })
		const { choices } = await complete(engine, model, request)
		expect(choices[0]!.tokenIds).toEqual(tokens.slice(0, tokens.indexOf(stop)))
		expect(choices[0]!.finishReason).toBe('stop')
	})

	test('does not stop before the least number of tokens', async () => {
		const free = await complete(engine, model, generationRequest(prompt))
		const stop = free.choices[0]!.tokenIds[0]!
		const request = generationRequest(prompt, { stopTokenIds: [stop], minTokens: 5 })
		const { choices } = await complete(engine, model, request)
		expect(choices[0]!.tokenIds.length).toBeGreaterThanOrEqual(5)
		expect(choices[0]!.tokenIds).not.toContain(stop)
	})

	test('scores a prompt without generating', async () => {
		const request = generationRequest(prompt, { maxTokens: 0, promptLogprobs: 2 })
		const { promptLogprobs, choices } = await complete(engine, model, request)
		expect(promptLogprobs).toHaveLength(20)
		expect(promptLogprobs![0]).toBeNull()
		for (const logprob of promptLogprobs!.slice(1)) expect(logprob).toBeLessThan(0)
		expect(choices[0]).toEqual({ tokenIds: [], logprobs: [], finishReason: 'length' })
	})

	test('gives generated tokens the log-probability that scoring the whole text gives them', async () => {
		const request = generationRequest(prompt, { sampling, logprobs: 0 })
		const { choices } = await complete(engine, model, request)
		const { tokenIds, logprobs } = choices[0]!
		const whole = [...prompt, ...tokenIds]
		const scored = await complete(
			engine,
			model,
			generationRequest(whole, { maxTokens: 0, promptLogprobs: 0 }),
		)
		expect(scored.promptLogprobs!.slice(prompt.length)).toEqual([...logprobs])
	})

	test('reports raw log-probabilities whatever bias and penalties do', async () => {
		const bias = { ...greedy, logitBias: [[3, 100]] as const, frequencyPenalty: 1 }
		const request = generationRequest(prompt, { sampling: bias, logprobs: 0, maxTokens: 1 })
		const { choices } = await complete(engine, model, request)
		expect(choices[0]!.tokenIds).toEqual([3])
		expect(choices[0]!.logprobs[0]).toBeLessThan(-0.1)
	})

	test('tells the stop token with the end of a choice, scored where that was asked for', async () => {
		const [likeliest] = (await complete(engine, model, generationRequest(prompt))).choices[0]!
			.tokenIds
		const request = generationRequest(prompt, { stopTokenIds: [likeliest!], logprobs: 1 })
		const events = []
		for await (const event of engine.generate(model.key, request)) {
			events.push(event)
		}
		const logprob = expect.objectContaining({ rank: 1, top: [[likeliest, expect.any(Number)]] })
		expect(events).toEqual([
			expect.objectContaining({ type: 'prompt' }),
			{
				type: 'finish',
				choice: 0,
				finishReason: 'stop',
				stopToken: { tokenId: likeliest, logprob },
			},
		])
	})

	test.each([[greedy], [{ ...greedy, presencePenalty: 2 }]])(
		'ranks a token beyond its alternatives as a sort of the logits does, whatever the penalties (%#)',
		async (sampling) => {
			const { vocabSize } = config
			const ask = async (top: number, tokenId: number) => {
				const bias = { ...sampling, logitBias: [[tokenId, 100]] as const }
				const request = generationRequest(prompt, { sampling: bias, logprobs: top, maxTokens: 1 })
				for await (const event of engine.generate(model.key, request)) {
					if (event.type === 'token') return event.logprob!
				}
				throw new Error('no token')
			}
			const { top } = await ask(TOP_LOGPROBS_MAX, 0)
			for (const [place, [tokenId]] of top.entries()) {
				expect((await ask(0, tokenId)).rank).toBe(place + 1)
			}
			const ranks = []
			for (let id = 0; id < vocabSize; id++) ranks.push((await ask(0, id)).rank)
			const sorted = ranks.toSorted((a, b) => a - b)
			expect(sorted).toEqual(Array.from({ length: vocabSize }, (_, i) => i + 1))
		},
	)

	test('draws the choices of one request differently and repeatably', async () => {
		const request = generationRequest(prompt, { n: 3, sampling })
		const first = await complete(engine, model, request)
		const second = await complete(engine, model, request)
		expect(first.choices).toEqual(second.choices)
		expect(first.choices[0]!.tokenIds).not.toEqual(first.choices[1]!.tokenIds)
	})

	test('reuses the blocks of a prompt that was read before', async () => {
		const long = Array.from({ length: 50 }, (_, i) => (i * 11 + 5) % config.vocabSize)
		const cold = await complete(engine, model, generationRequest(long))
		const warm = await complete(engine, model, generationRequest(long))
		expect([cold.cachedTokens, warm.cachedTokens]).toEqual([0, 32])
		expect(warm.choices).toEqual(cold.choices)
	})

	test('frees every block when the client leaves', async () => {
		const request = generationRequest(prompt, { maxTokens: 2048, n: 4 })
		for await (const event of engine.generate(model.key, request)) {
			if (event.type === 'token') break
		}
		await complete(engine, model, generationRequest(prompt, { maxTokens: 1 }))
		expect(engine.stats.running).toBe(0)
		expect(engine.stats.kvBlocksUsed).toBe(0)
	})

	test('obeys an abort signal', async () => {
		const controller = new AbortController()
		const request = generationRequest(prompt, { maxTokens: 2048 })
		const { key } = model
		let count = 0
		for await (const _ of engine.generate(key, request, controller.signal)) {
			if (++count === 5) controller.abort()
		}
		expect(count).toBe(5)
	})

	test('ends one choice early and goes on with the others', async () => {
		const request = generationRequest(prompt, { n: 2, maxTokens: 30, sampling })
		const generation = engine.generate(model.key, request)
		const counts = [0, 0]
		for await (const event of generation) {
			if (event.type !== 'token') continue
			counts[event.choice]!++
			if (event.choice === 0 && counts[0] === 3) generation.stopChoice(0)
		}
		expect(counts).toEqual([3, 30])
	})

	test('draws a constrained choice only from the allowed tokens', async () => {
		const request = generationRequest(prompt, { constrained: true, maxTokens: 8, sampling })
		const generation = engine.generate(model.key, request)
		const mask = new Uint32Array(Math.ceil(config.vocabSize / 32))
		mask[0] = 0b110000
		const state = tokenState(1, { mask, next: null })
		generation.moveTo(0, state)
		const tokens: number[] = []
		for await (const event of generation) {
			if (event.type !== 'token') continue
			tokens.push(event.tokenId)
			generation.moveTo(0, state)
		}
		expect(tokens).toHaveLength(8)
		for (const token of tokens) expect([4, 5]).toContain(token)
	})

	test('lets requests wait for places, and refuses more than its queue holds', async () => {
		const { key } = model
		const asked = Array.from({ length: 23 }, () => engine.enter(key, { choices: 1, client: 'a' }))
		const held = await Promise.all(asked.slice(0, 15))
		const refusal = await engine.enter(key, { choices: 1, client: 'a' }).catch((error) => error)
		expect(refusal).toBeInstanceOf(Fault)
		expect((refusal as Fault).kind).toBe('overloaded')
		expect((refusal as Fault).retrySeconds).toBeGreaterThan(0)
		expect(engine.stats.waiting).toBe(8)
		for (const places of held) places.release(1)
		for (const places of await Promise.all(asked.slice(15))) places.release(1)
		expect(engine.stats.waiting).toBe(0)
	})

	test('gives a place back when the generation ends, whether or not anybody reads', async () => {
		const { key } = model
		const request = generationRequest(prompt, { maxTokens: 4 })
		using places = await engine.enter(key, { choices: 16, client: 'a' })
		const unread = Array.from({ length: 16 }, () =>
			engine.generate(key, request, undefined, places),
		)
		using next = await engine.enter(key, { choices: 1, client: 'b' })
		expect(next).toBeDefined()
		for (const stream of unread) stream.abort()
	})

	test('forgets who waits for a place when its client goes away', async () => {
		const { key } = model
		const controller = new AbortController()
		using _places = await engine.enter(key, { choices: 16, client: 'a' })
		const { signal } = controller
		const waiting = engine.enter(key, { choices: 1, client: 'a', signal })
		controller.abort(new Error('gone'))
		await expect(waiting).rejects.toThrow('gone')
		expect(engine.stats.waiting).toBe(0)
	})

	test('admits nobody further while memory is short, and goes on when it is free', async () => {
		const small = await startEngine({ sequencesMax: 64, kvBytesMax: 1, queueLengthMax: 4 })
		const key = await small.load(randomModel(kernels, config))
		const request = generationRequest(prompt, { maxTokens: 1e9 })
		using held = await small.enter(key, { choices: 6, client: 'a' })
		const streams = Array.from({ length: 6 }, () => small.generate(key, request, undefined, held))
		await eventually(() => small.stats.withoutRoom === 5)
		const next = small.enter(key, { choices: 1, client: 'b' })
		expect(small.stats.waiting).toBe(6)
		for (const stream of streams) stream.abort()
		using _places = await next
		await eventually(() => small.stats.running === 0)
		small.close()
	})

	test('gives place and memory of an unread stream to others, and writes the same when it is read', async () => {
		const { key } = model
		const request = generationRequest(prompt, { maxTokens: 900, logprobs: 20 })
		const read = await complete(engine, model, request)
		using places = await engine.enter(key, { choices: 1, client: 'slow' })
		const stream = engine.generate(key, request, undefined, places)
		await eventually(() => engine.stats.parkedTotal > 0 && engine.stats.kvBlocksUsed === 0)
		expect(engine.stats.running).toBe(0)
		using _others = await engine.enter(key, { choices: 16, client: 'others' })
		const tokenIds: number[] = []
		for await (const event of stream) if (event.type === 'token') tokenIds.push(event.tokenId)
		expect(tokenIds).toEqual([...read.choices[0]!.tokenIds])
		expect(engine.stats.unreadBytes).toBe(0)
	})

	test('is given up when its worker hangs, and says what it was at and in which function', async () => {
		const worker = new Worker(new URL('../helpers/hung-worker.ts', import.meta.url))
		const told: string[] = []
		const log: Log = (_, message, fields) => told.push(`${message} ${JSON.stringify(fields)}`)
		const hung = await startEngine({ worker, watchMs: 10, log })
		const key = await hung.load(randomModel(kernels, config))
		const stream = hung.generate(key, generationRequest(prompt))
		expect((await hung.failed).message).toBe('engine worker hangs: waiting for 0.1 s')
		await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow('engine worker hangs')
		expect(told[0]).toMatch(/^the engine worker hangs .*"stepsTotal":0,"rowsOfLastStep":0/)
		if (process.platform === 'linux')
			expect(told[1]).toMatch(/"fma_units\+0x.*"measure_fma_\w+\+0x/)
		worker.terminate()
	})

	test('is given up, too, when its worker hangs while it loads a model', async () => {
		const script = new URL('../helpers/hung-worker.ts', import.meta.url)
		const worker = new Worker(script, { argv: ['load'] })
		const hung = await startEngine({ worker, watchMs: 10, log: () => {} })
		await expect(hung.load(randomModel(kernels, config))).rejects.toThrow('engine worker hangs')
		expect((await hung.failed).message).toStartWith('engine worker hangs')
		worker.terminate()
	})

	test('keeps cached prefixes of different salts apart', async () => {
		const long = Array.from({ length: 40 }, (_, i) => (i * 7) % config.vocabSize)
		const cached = async (cacheSalt: number) => {
			const request = generationRequest(long, { maxTokens: 1, cacheSalt })
			return (await complete(engine, model, request)).cachedTokens
		}
		expect([await cached(5), await cached(6), await cached(5)]).toEqual([0, 0, 32])
	})

	test('gives every loaded model a step in turn, however many streams another one has', async () => {
		const worker = new Worker(new URL('../../src/engine/worker/worker.ts', import.meta.url))
		const shared = await startEngine({ worker, sequencesMax: 16 })
		const load = (seed: number) => shared.load(randomModel(kernels, config, 'f32', seed))
		const [crowded, other] = [await load(1), await load(2)]
		const contextLength = config.contextLength
		const request = generationRequest(prompt, { maxTokens: 2048 })
		const crowd = Array.from({ length: 8 }, () => shared.generate(crowded, request))
		const requestOfToken: number[] = []
		worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
			if (data.type !== 'steps') return
			const { tokens } = decodeSteps(data.steps)
			requestOfToken.push(...tokens.map(({ requestId }) => requestId))
		})
		const lone = generationRequest(prompt, { maxTokens: 200 })
		await complete(shared, { key: other, contextLength }, lone)
		for (const stream of crowd) stream.abort()
		shared.close()
		const loneId = Math.max(...requestOfToken)
		const places = requestOfToken.flatMap((id, place) => (id === loneId ? [place] : []))
		const crowdBetween = places.slice(1).map((place, i) => place - places[i]! - 1)
		expect(crowdBetween).toHaveLength(199)
		expect(Math.min(...crowdBetween)).toBeGreaterThanOrEqual(1)
		expect(Math.max(...crowdBetween)).toBeLessThanOrEqual(crowd.length)
	})

	test('reads the prompt of a newcomer, however much of others the main thread has not read', async () => {
		const crowded = await startEngine({ sequencesMax: 32 })
		const key = await crowded.load(network)
		const crowd = crowded.generate(key, generationRequest(prompt, { n: 16, maxTokens: 1e9 }))
		// From here on this thread reads nothing, so that the worker goes ahead until it has to wait.
		const spinWhile = (isGoingOn: () => boolean, ms: number) => {
			const end = performance.now() + ms
			while (isGoingOn() && performance.now() < end) Bun.sleepSync(1)
		}
		let [steps, seenAt] = [0, performance.now()]
		spinWhile(() => {
			if (crowded.stats.stepsTotal !== steps) seenAt = performance.now()
			steps = crowded.stats.stepsTotal
			return steps === 0 || performance.now() - seenAt < 100
		}, 10_000)
		const before = crowded.stats.promptTokensTotal
		const newcomer = crowded.generate(key, generationRequest(prompt, { maxTokens: 1 }))
		spinWhile(() => crowded.stats.promptTokensTotal === before, 10_000)
		expect(crowded.stats.promptTokensTotal).toBe(before + prompt.length)
		crowd.abort()
		newcomer.abort()
		crowded.close()
	})

	test('tells at once what a client begins that has nothing else running', async () => {
		const worker = new Worker(new URL('../../src/engine/worker/worker.ts', import.meta.url))
		const crowded = await startEngine({ worker, sequencesMax: 64 })
		const key = await crowded.load(network)
		const toldFirst: number[][] = []
		worker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
			if (data.type !== 'steps' || !data.goesFirst) return
			toldFirst.push(decodeSteps(data.steps).tokens.map(({ choice }) => choice))
		})
		const one = async (client: string) => {
			using places = await crowded.enter(key, { choices: 1, client })
			const request = generationRequest(prompt, { maxTokens: 1 })
			const events = crowded.generate(key, request, undefined, places)
			return await Array.fromAsync(events, ({ type }) => type)
		}
		using held = await crowded.enter(key, { choices: 32, client: 'crowd' })
		const request = generationRequest(prompt, { n: 32, maxTokens: 1e9 })
		const crowd = crowded.generate(key, request, undefined, held)
		await eventually(() => crowded.stats.running === 32)
		expect(await one('crowd')).toEqual(['prompt', 'token', 'finish'])
		// The crowd's own beginning, when nothing ran.
		expect(toldFirst).toEqual([[0]])
		// Beside enough streams that decode; they may just be reading again what they keep.
		await eventually(async () => {
			expect(await one('newcomer')).toEqual(['prompt', 'token', 'finish'])
			return toldFirst.length > 1
		})
		expect(toldFirst[1]).toEqual([0])
		crowd.abort()
		crowded.close()
	})

	test('embeds a text as the mean of its final hidden states', async () => {
		const mean = await engine.embed(model.key, generationRequest(prompt))
		const gpt = forwardPass(kernels, network)(prompt, true)
		gpt.normalizeAllRows()
		for (let i = 0; i < config.nEmbd; i++) {
			const sum = prompt.reduce((sum, _, row) => sum + gpt.hidden.row(row)[i]!, 0)
			expect(mean[i]).toBeCloseTo(sum / prompt.length, 5)
		}
	})

	test('embeds a text that fills the context, its first token included', async () => {
		const text = Array.from({ length: config.contextLength }, (_, i) => i)
		const whole = await engine.embed(model.key, generationRequest(text, { maxTokens: 0 }))
		const other = generationRequest([90, ...text.slice(1)], { maxTokens: 0 })
		expect(await engine.embed(model.key, other)).not.toEqual(whole)
	})

	test('refuses at once what a dead worker cannot do', async () => {
		const worker = new Worker(new URL('../../src/engine/worker/worker.ts', import.meta.url))
		const failing = await startEngine({ worker })
		const loaded = randomModel(kernels, config)
		const key = await failing.load(loaded)
		const request = generationRequest(prompt, { maxTokens: 2048 })
		const running = complete(failing, { key, contextLength: config.contextLength }, request)
		const unloading = failing.unload(-1)
		worker.postMessage({ type: 'no such message' })
		await expect(running).rejects.toThrow()
		await expect(failing.load(loaded)).rejects.toThrow('engine worker failed')
		await Promise.all([unloading, failing.unload(key)])
	})
})
