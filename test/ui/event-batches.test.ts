/** How the page takes the events of a stream. */
import { describe, expect, test } from 'bun:test'
import fc from 'fast-check'
import { eventBatches } from '../../src/ui/page/event-batches.js'

const utf8 = new TextEncoder()
const event = (data: string) => `data: ${data}\n\n`

/** A response whose body is written here. */
function openResponse() {
	let body!: ReadableStreamDefaultController<Uint8Array>
	const stream = new ReadableStream<Uint8Array>({
		start(controller) {
			body = controller
		},
	})
	return {
		response: new Response(stream),
		body,
		say: (text: string) => body.enqueue(utf8.encode(text)),
	}
}

/** A response whose connection breaks behind these pieces. */
function brokenAfter(...pieces: string[]): Response {
	const left = pieces.values()
	return new Response(
		new ReadableStream<Uint8Array>({
			pull(controller) {
				const { value } = left.next()
				if (value === undefined) controller.error(new Error('connection reset'))
				else controller.enqueue(utf8.encode(value))
			},
		}),
	)
}

/** All that is told of a stream, and what is thrown at its end. */
async function toldBy(response: Response, signal: AbortSignal) {
	const told: string[] = []
	try {
		for await (const batch of eventBatches(response, signal)) told.push(...batch)
		return { told, error: null }
	} catch (error) {
		return { told, error }
	}
}

const { signal: calm } = new AbortController()

describe('the events of a stream', () => {
	test('are told as they were sent, wherever their bytes are cut', async () => {
		const datas = fc.array(fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)))
		const size = fc.integer({ min: 1, max: 40 })
		const property = fc.asyncProperty(datas, size, async (sent, pieceBytes) => {
			const { response, body } = openResponse()
			const bytes = utf8.encode(sent.map((data) => `: a comment\n${event(data)}`).join(''))
			for (let at = 0; at < bytes.length; at += pieceBytes) {
				body.enqueue(bytes.slice(at, at + pieceBytes))
			}
			body.close()
			const batches = await Array.fromAsync(eventBatches(response, calm))
			expect(batches.flat()).toEqual(sent)
		})
		await fc.assert(property, { numRuns: 100, seed: 1 })
	})

	test('are told at once after a pause, without waiting for more', async () => {
		const { response, say } = openResponse()
		const batches = eventBatches(response, calm)
		say(event('one'))
		expect((await batches.next()).value).toEqual(['one'])
		await batches.return(undefined)
	})

	test('are told together where they come close together', async () => {
		const { response, body, say } = openResponse()
		const batches = eventBatches(response, calm)
		say(event('first'))
		expect((await batches.next()).value).toEqual(['first'])
		const numbers = Array.from({ length: 500 }, (_, i) => String(i))
		for (const number of numbers) say(event(number))
		body.close()
		const rest = await Array.fromAsync(batches)
		expect(rest.flat()).toEqual(numbers)
		// One, but for a machine that paused between the lines above.
		expect(rest.length).toBeLessThan(5)
	})

	test('end where the connection breaks, after those that came before', async () => {
		const { told, error } = await toldBy(brokenAfter(event('one'), event('two'), 'data: hal'), calm)
		expect(told).toEqual(['one', 'two'])
		expect(error).toBeNull()
	})

	test('end with the abortion when their reader stops, after those that came before', async () => {
		const { told, error } = await toldBy(
			brokenAfter(event('one'), event('two')),
			AbortSignal.abort('stopped'),
		)
		expect(told).toEqual(['one', 'two'])
		expect(error).toBe('stopped')
	})

	test('are asked for no more once nobody wants them', async () => {
		let isCancelled = false
		const stream = new ReadableStream<Uint8Array>({
			start: (controller) => controller.enqueue(utf8.encode(event('one'))),
			cancel() {
				isCancelled = true
			},
		})
		for await (const _ of eventBatches(new Response(stream), calm)) break
		expect(isCancelled).toBe(true)
	})
})
