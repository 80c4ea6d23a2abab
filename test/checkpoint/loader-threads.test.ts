/** What waits for what in the loader: its threads are stand-ins that answer when a test says so. */
import { describe, expect, test } from 'bun:test'
import { Loader } from '../../src/checkpoint/load/loader.ts'
import type { FromLoader, ToLoader } from '../../src/checkpoint/load/messages.ts'

type Asked = Extract<ToLoader, { type: 'request' }>

class StandIn {
	readonly asked: Asked[] = []
	isEnded = false
	onmessage: ((event: { data: FromLoader }) => void) | null = null
	onerror: ((event: { message: string }) => void) | null = null

	postMessage(message: ToLoader): void {
		if (message.type === 'request') this.asked.push(message)
	}

	terminate(): void {
		this.isEnded = true
	}

	fail(): void {
		const { requestId } = this.asked.at(-1)!
		const failure = { kind: 'bug', message: 'stopped' } as const
		this.onmessage?.({ data: { type: 'failed', requestId, failure } })
	}

	finish(): void {
		const { requestId } = this.asked.at(-1)!
		const report = { files: [], differences: [] }
		this.onmessage?.({ data: { type: 'exported', requestId, report } })
	}
}

const location = { type: 'file', path: 'checkpoint-1.json' } as const
const hf = { format: 'hf', directory: 'out', layout: 'own', dtype: 'f32', card: '' } as const

function setUp() {
	const threads: StandIn[] = []
	const loader = new Loader({
		spawn: () => {
			threads.push(new StandIn())
			return threads.at(-1) as unknown as Worker
		},
		libraryPath: '',
		isa: '',
	})
	return { loader, threads }
}

/** Has the export given up by whoever asked for it been told to stop? */
function isUnwanted({ request }: Asked): boolean {
	return request.type === 'export' && new Int32Array(request.unwanted)[0] === 1
}

describe('the loader', () => {
	test('loads models on another thread than that of exports', async () => {
		const { loader, threads } = setUp()
		const exported = loader.export(location, hf)
		loader.load({ location, dtype: 'f32' }).catch(() => {})
		expect(threads.map(({ asked }) => asked.map(({ request }) => request.type))).toEqual([
			['export'],
			['load'],
		])
		threads[0]!.finish()
		expect(await exported).toEqual({ files: [], differences: [] })
		loader.close()
	})

	test('keeps the thread of exports only as long as there are some', async () => {
		const { loader, threads } = setUp()
		const exports = [loader.export(location, hf), loader.export(location, hf)]
		threads[0]!.finish()
		expect(threads[0]!.isEnded).toBe(false)
		threads[0]!.finish()
		await Promise.all(exports)
		expect(threads[0]!.isEnded).toBe(true)
		const next = loader.export(location, hf)
		threads[1]!.finish()
		await next
	})

	test('tells the export under way to stop when its asker has gone, and goes on with the next', async () => {
		const { loader, threads } = setUp()
		const leaving = new AbortController()
		const given = loader.export(location, hf, leaving.signal)
		const next = loader.export(location, hf)
		const [thread] = threads
		expect(isUnwanted(thread!.asked[0]!)).toBe(false)
		leaving.abort('gone')
		expect(isUnwanted(thread!.asked[0]!)).toBe(true)
		thread!.fail()
		await expect(given).rejects.toBe('gone')
		expect(thread!.asked).toHaveLength(2)
		thread!.finish()
		await next
	})

	test('never begins an export whose asker has gone', async () => {
		const { loader, threads } = setUp()
		const leaving = new AbortController()
		const first = loader.export(location, hf)
		const waiting = loader.export(location, hf, leaving.signal)
		leaving.abort('gone')
		await expect(waiting).rejects.toBe('gone')
		await expect(loader.export(location, hf, leaving.signal)).rejects.toBe('gone')
		threads[0]!.finish()
		await first
		expect(threads[0]!.asked).toHaveLength(1)
	})
})
