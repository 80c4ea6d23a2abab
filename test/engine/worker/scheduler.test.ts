import { describe, expect, test } from 'bun:test'
import type { GenerationRequest } from '../../../src/engine/generation.ts'
import { Guesser } from '../../../src/engine/worker/guesser.ts'
import { KvCache } from '../../../src/engine/worker/kv-cache.ts'
import { Scheduler, type SchedulerLimits, type Span } from '../../../src/engine/worker/scheduler.ts'
import { Sequence } from '../../../src/engine/worker/sequence.ts'
import { StepCosts } from '../../../src/engine/worker/step-costs.ts'
import { Batch } from '../../../src/model/batch.ts'
import { generationRequest } from '../requests.ts'

const contextLength = 256

/** The bookkeeping of an engine without a network: no token is drawn twice, so windows have no beginning in common. */
class Bench {
	readonly cache: KvCache
	readonly scheduler: Scheduler
	readonly batch: Batch
	#lastId = 0
	#drawn = 1e6

	constructor(limits: Partial<SchedulerLimits> = {}, blocks = 64, guesser: Guesser | null = null) {
		const all = { rowsMax: 64, sequencesMax: 8, readingRowsMax: 16, ...limits }
		this.cache = new KvCache(blocks)
		this.scheduler = new Scheduler(this.cache, all, guesser)
		this.batch = new Batch({
			rowsMax: all.rowsMax,
			spansMax: 2 * all.sequencesMax,
			blocksPerSequence: 8,
		})
	}

	submit(promptLength: number, changes: Partial<GenerationRequest> = {}): Sequence[] {
		const id = ++this.#lastId
		const prompt = Array.from({ length: promptLength }, (_, i) => id * 1000 + i)
		const request = generationRequest(prompt, { maxTokens: 1000, ...changes })
		const sequences = Array.from(
			{ length: request.n },
			(_, choice) => new Sequence(id, choice, request, 'generate', contextLength),
		)
		this.scheduler.submit(sequences)
		return sequences
	}

	/** Of a client that has nothing else running. */
	submitFirst(promptLength: number): Sequence {
		const [sequence] = this.submit(promptLength)
		sequence!.goesFirst = true
		return sequence!
	}

	step(): Span[] {
		const spans = this.scheduler.schedule(this.batch)
		for (const span of spans) this.scheduler.commit(span, span.draws > 0 ? [++this.#drawn] : [])
		return spans
	}
}

const rows = (spans: Span[]) => spans.map((span) => [span.sequence.requestId, span.count])

describe('scheduler', () => {
	test('reads a prompt in one step when it is alone and fits', () => {
		const bench = new Bench()
		bench.submit(50)
		expect(rows(bench.step())).toEqual([[1, 50]])
		expect(rows(bench.step())).toEqual([[1, 1]])
	})

	test('delays a decoding sequence by at most one chunk while a long prompt is read', () => {
		const bench = new Bench()
		bench.submit(4)
		bench.step()
		bench.submit(200)
		for (let i = 0; i < 12; i++)
			expect(rows(bench.step())).toEqual([
				[1, 1],
				[2, 16],
			])
		expect(rows(bench.step())).toEqual([
			[1, 1],
			[2, 8],
		])
		expect(rows(bench.step())).toEqual([
			[1, 1],
			[2, 1],
		])
	})

	describe('beside a crowd that decodes', () => {
		const crowd = 6
		function crowded(guesser: Guesser | null = null) {
			const bench = new Bench({ sequencesMax: 24 }, 256, guesser)
			for (let i = 0; i < crowd; i++) bench.submit(1)
			bench.step()
			return bench
		}
		const ids = (spans: Span[]) => spans.map((span) => span.sequence.requestId)

		test('reads the prompt of a client that has nothing else running in a step of its own', () => {
			const bench = crowded()
			bench.submitFirst(4)
			expect(rows(bench.step())).toEqual([[7, 4]])
			expect(ids(bench.step())).toEqual([1, 2, 3, 4, 5, 6, 7])
		})

		test('reads those together, as many rows as decode, and the rest beside the others', () => {
			const bench = crowded()
			for (const length of [4, 3, 2]) bench.submitFirst(length)
			expect(rows(bench.step())).toEqual([
				[7, 4],
				[9, 2],
			])
			expect(ids(bench.step())).toEqual([1, 2, 3, 4, 5, 6, 7, 9, 8])
		})

		test('reads a prompt of more rows than decode beside them', () => {
			const bench = crowded()
			bench.submitFirst(crowd + 1)
			expect(ids(bench.step())).toEqual([1, 2, 3, 4, 5, 6, 7])
		})

		test('has a step when those who went before it were as many rows, or eight steps', () => {
			const bench = crowded()
			const firstSteps = (promptLength: number) => {
				let steps = 0
				for (;;) {
					const sequence = bench.submitFirst(promptLength)
					const hasCrowd = ids(bench.step()).includes(1)
					bench.scheduler.finish(sequence)
					if (hasCrowd) return steps
					steps++
				}
			}
			expect([1, 2, 3, 4, 6].map(firstSteps)).toEqual([6, 3, 2, 1, 1])
			for (let i = 0; i < 14; i++) bench.submit(1)
			bench.step()
			expect(firstSteps(1)).toBe(8)
		})

		test('reads all prompts beside it where a step of few rows takes as long as one of many', () => {
			const none = { count: 0, tokenIds: new Int32Array(), shares: new Float32Array() }
			const guesser = new Guesser(
				StepCosts.assumed(),
				() => 0.5,
				() => none,
			)
			const bench = crowded(guesser)
			bench.submitFirst(4)
			expect(ids(bench.step())).toEqual([1, 2, 3, 4, 5, 6, 7])
		})
	})

	test('reads prompts first come, first served', () => {
		const bench = new Bench({ rowsMax: 32, sequencesMax: 4 })
		bench.submit(40)
		bench.submit(10)
		expect(rows(bench.step())).toEqual([[1, 32]])
		expect(rows(bench.step())).toEqual([
			[1, 8],
			[2, 10],
		])
	})

	test('starts no more sequences than allowed, in order of arrival', () => {
		const bench = new Bench({ sequencesMax: 2 })
		const [first] = bench.submit(1)
		bench.submit(1)
		bench.submit(1)
		bench.step()
		expect([bench.scheduler.runningCount, bench.scheduler.waitingCount]).toEqual([2, 1])
		bench.scheduler.finish(first!)
		expect(rows(bench.step())).toEqual([
			[2, 1],
			[3, 1],
		])
	})

	test('lets nobody overtake a sequence that waits for blocks', () => {
		const bench = new Bench({}, 10)
		const [first] = bench.submit(1)
		bench.submit(1)
		bench.submit(1, { maxTokens: 20 })
		bench.step()
		expect([bench.scheduler.runningCount, bench.scheduler.waitingCount]).toEqual([1, 2])
		bench.scheduler.finish(first!)
		bench.step()
		expect([bench.scheduler.runningCount, bench.scheduler.waitingCount]).toEqual([2, 0])
	})

	test('frees the blocks of a finished sequence before the next step', () => {
		const bench = new Bench()
		const [sequence] = bench.submit(100)
		bench.step()
		expect(bench.cache.used).toBe(8)
		bench.scheduler.finish(sequence!)
		expect(bench.cache.used).toBe(0)
	})

	test('lets the other choices share the blocks of the prompt that the first one read', () => {
		const bench = new Bench()
		const choices = bench.submit(64, { n: 3, maxTokens: 10 })
		expect(rows(bench.step())).toEqual([[1, 64]])
		bench.step()
		expect(choices.map((choice) => choice.cachedTokens)).toEqual([0, 32, 32])
		expect(bench.cache.used).toBe(1 + 3 * 2)
	})

	test('goes on with the other choices when the first one is stopped while it reads', () => {
		const bench = new Bench({ rowsMax: 16 })
		const [first] = bench.submit(64, { n: 2 })
		bench.step()
		bench.scheduler.finish(first!)
		expect(rows(bench.step())).toEqual([[1, 16]])
	})

	test('rolls a full window without holding up the other streams', () => {
		const bench = new Bench()
		const [rolling] = bench.submit(250)
		for (let i = 0; i < 4; i++) bench.step()
		bench.submit(4)
		for (let i = 0; i < 300; i++) {
			const spans = bench.step()
			if (i > 0) expect(spans.some((span) => span.sequence.requestId === 2)).toBe(true)
		}
		expect(rolling!.generatedCount).toBeGreaterThan(200)
		expect(rolling!.window.length).toBeLessThan(contextLength)
	})

	test('lets no stream wait long when all of them roll, nor a request that comes late', () => {
		const bench = new Bench({ rowsMax: 256, sequencesMax: 128, readingRowsMax: 64 }, 128 * 8)
		const streams = Array.from({ length: 100 }, () => bench.submit(20, { maxTokens: 1e6 })[0]!)
		const step = () => new Set(bench.step().map(({ sequence }) => sequence))
		const lastSeen = new Map(streams.map((stream) => [stream, 0]))
		let longestGap = 0
		for (let i = 1; i <= 2000; i++) {
			for (const sequence of step()) {
				longestGap = Math.max(longestGap, i - lastSeen.get(sequence)!)
				lastSeen.set(sequence, i)
			}
		}
		expect(Math.min(...streams.map(({ generatedCount }) => generatedCount))).toBeGreaterThan(1500)
		expect(longestGap).toBeLessThan(64)
		const [late] = bench.submit(20)
		let steps = 0
		for (; late!.generatedCount === 0; steps++) bench.step()
		expect(steps).toBeLessThan(20)
	})

	test('lets running streams roll beside a burst of long prompts, which are read as well', () => {
		const bench = new Bench({ rowsMax: 256, sequencesMax: 128, readingRowsMax: 64 }, 128 * 8)
		const streams = Array.from(
			{ length: 8 },
			(_, i) => bench.submit(20 + i * 20, { maxTokens: 1e6 })[0]!,
		)
		for (let i = 0; i < 60; i++) bench.step()
		const burst = Array.from({ length: 100 }, () => bench.submit(250, { maxTokens: 1e6 })[0]!)
		const lastSeen = new Map(streams.map((stream) => [stream, 0]))
		let longestGap = 0
		for (let i = 1; i <= 1000; i++) {
			for (const { sequence } of bench.step()) {
				if (!lastSeen.has(sequence)) continue
				longestGap = Math.max(longestGap, i - lastSeen.get(sequence)!)
				lastSeen.set(sequence, i)
			}
		}
		expect(longestGap).toBeLessThan(96)
		expect(burst.every(({ generatedCount }) => generatedCount > 0)).toBe(true)
	})

	test('keeps chunks small beside a stream that waits for its mask', () => {
		const bench = new Bench()
		const [constrained] = bench.submit(3, { constrained: true })
		constrained!.mask = new Uint32Array(1)
		bench.step()
		constrained!.mask = null
		bench.submit(60)
		expect(rows(bench.step())).toEqual([[2, 16]])
	})

	test('counts who waits behind a rolled sequence without blocks as without room', () => {
		const bench = new Bench({}, 16)
		bench.submit(200, { n: 4, maxTokens: 1e6 })
		for (let i = 0; i < 400; i++) bench.step()
		bench.submit(10)
		bench.step()
		expect(bench.scheduler.withoutRoomCount).toBe(bench.scheduler.waitingCount)
		expect(bench.scheduler.waitingCount).toBeGreaterThan(0)
	})

	test('makes a constrained sequence wait for its mask and lets the others run', () => {
		const bench = new Bench()
		const [constrained] = bench.submit(3, { constrained: true })
		bench.submit(2)
		expect(rows(bench.step())).toEqual([[2, 2]])
		constrained!.mask = new Uint32Array(1)
		expect(rows(bench.step())).toEqual([
			[2, 1],
			[1, 3],
		])
	})

	test('says what a step did to a sequence: a prompt read, tokens, and why it ended', () => {
		const bench = new Bench({ rowsMax: 16 })
		const [sequence] = bench.submit(20, { maxTokens: 3, stopTokenIds: [9] })
		const commit = (...drawn: number[]) => {
			const [span] = bench.scheduler.schedule(bench.batch)
			return [bench.scheduler.commit(span!, drawn), sequence!.phase]
		}
		const goesOn = { hasReadPrompt: false, tokenCount: 0, finishReason: null }
		expect(sequence!.phase).toBe('waiting')
		expect(commit()).toEqual([goesOn, 'reading'])
		expect(commit(7)).toEqual([{ ...goesOn, hasReadPrompt: true, tokenCount: 1 }, 'decoding'])
		expect(commit(9)).toEqual([{ ...goesOn, finishReason: 'stop' }, 'finished'])
		expect(bench.cache.used).toBe(0)
		expect(bench.scheduler.hasSequences).toBe(false)
	})

	test('ends a sequence at its last token, which belongs to the answer', () => {
		const bench = new Bench()
		const [sequence] = bench.submit(5, { maxTokens: 2 })
		bench.step()
		const [span] = bench.scheduler.schedule(bench.batch)
		const last = { hasReadPrompt: false, tokenCount: 1, finishReason: 'length' } as const
		expect(bench.scheduler.commit(span!, [7])).toEqual(last)
		expect(sequence!.generatedCount).toBe(2)
	})

	test('ends without a token what only scores its prompt', () => {
		const bench = new Bench()
		const [sequence] = bench.submit(40, { maxTokens: 0, promptLogprobs: 0 })
		const [span] = bench.scheduler.schedule(bench.batch)
		expect([span!.logits, span!.draws]).toEqual([{ first: 0, count: 40 }, 0])
		const read = { hasReadPrompt: true, tokenCount: 0, finishReason: 'length' } as const
		expect(bench.scheduler.commit(span!, [])).toEqual(read)
		expect(sequence!.phase).toBe('finished')
	})

	test('reads the next window while the old one fills, so that no step is without a token', () => {
		const bench = new Bench({ readingRowsMax: 64 }, 8 * 12)
		const streams = Array.from({ length: 8 }, (_, i) => bench.submit(1 + i)[0]!)
		bench.step()
		for (let i = 1; i < 900; i++)
			expect(bench.step().filter(({ draws }) => draws > 0).length).toBe(8)
		for (const { generatedCount } of streams) expect(generatedCount).toBe(900)
	})

	test('reads a next window in pieces of a few rows, as late as the rows of a step allow', () => {
		const bench = new Bench({ readingRowsMax: 64 })
		const [sequence] = bench.submit(20)
		const pieces: [number, number][] = []
		while (sequence!.generatedCount < 300) {
			const { window } = sequence!
			const { free } = window
			for (const span of bench.step()) if (span.window !== window) pieces.push([free, span.count])
		}
		expect(pieces).toEqual([
			[4, 32],
			[3, 32],
			[2, 32],
			[1, 31],
		])
	})

	test('reads nothing ahead for a sequence that ends within its window', () => {
		const bench = new Bench()
		const [sequence] = bench.submit(20, { maxTokens: contextLength - 20 })
		while (sequence!.phase !== 'finished') {
			bench.step()
			expect(sequence!.next).toBeNull()
		}
	})

	test('gives up what was read ahead for a request that waits for blocks', () => {
		const bench = new Bench({ readingRowsMax: 2 }, 16)
		const [rolling] = bench.submit(200)
		while (!rolling!.next) bench.step()
		bench.submit(250)
		expect(bench.scheduler.runningCount).toBe(1)
		bench.step()
		expect(bench.scheduler.runningCount).toBe(2)
		expect(rolling!.next).toBeNull()
	})

	test('reads the kept half after a window is full where there were no blocks to do it before', () => {
		const bench = new Bench({}, 8)
		const [sequence] = bench.submit(contextLength - 1)
		const phases = new Set<string>()
		while (sequence!.generatedCount < 3) {
			bench.step()
			phases.add(sequence!.phase)
		}
		expect([...phases]).toEqual(['reading', 'rolled', 'decoding'])
		expect(sequence!.window.length).toBe(contextLength / 2 + 2)
	})

	test('stops at the end of the context where the window must not roll', () => {
		const bench = new Bench()
		const [sequence] = bench.submit(contextLength - 2, { truncation: 'disabled' })
		while (sequence!.phase !== 'finished') bench.step()
		expect(sequence!.generatedCount).toBe(2)
	})

	test('lets siblings that share blocks roll by turns when memory is tight', () => {
		const bench = new Bench({}, 16)
		const choices = bench.submit(200, { n: 4, maxTokens: 1e6 })
		for (let i = 0; i < 4000; i++) bench.step()
		for (const choice of choices) expect(choice.generatedCount).toBeGreaterThan(1000)
	})
})
