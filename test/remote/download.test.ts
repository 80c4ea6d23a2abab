/** One object into a file, from stores that cut, stall, change and answer other things than were asked for. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { download } from '../../src/remote/download.ts'
import { ObjectStore } from '../../src/remote/object-store.ts'
import { PIECE_BYTES } from '../../src/remote/partial-file.ts'
import { eventually } from '../helpers/eventually.ts'
import { tempDir } from '../helpers/temp-dir.ts'
import { get, refuse, type S3Stub, type StubFault, startS3Stub } from './s3-stub.ts'

const KEY = 'weights'
/** Two pieces and a bit. */
const BYTES = 2 * PIECE_BYTES + 1000
/** For the tests in which a store is silent; the others wait as long as a server does. */
const STALL_MS = 1500

/** Bytes that differ at each place of a piece, made from `seed`. */
function someBytes(seed: number, length = BYTES): Uint8Array {
	const words = new Uint32Array(Math.ceil(length / 4))
	for (let i = 0; i < words.length; i++) words[i] = Math.imul(i + seed, 2654435761)
	return new Uint8Array(words.buffer, 0, length)
}

function sha256(bytes: Uint8Array): string {
	return new Bun.CryptoHasher('sha256').update(bytes).digest('hex')
}

/** A store with one object, and a place to which it is downloaded. */
function setUp(bytes = someBytes(1), stallMs = 30_000) {
	const stub = startS3Stub()
	const temp = tempDir()
	const path = join(temp.path, 'weights')
	const objects = new ObjectStore({ url: 's3://models', env: stub.env, stallMs })
	const file = { path: KEY, bytes: bytes.length, sha256: sha256(bytes) }
	put(stub, bytes, '"first"')
	return {
		stub,
		path,
		bytes,
		fetch: () => download({ objects, key: KEY, file }, path),
		isThere: () => Buffer.from(bytes).equals(readFileSync(path)),
		async [Symbol.asyncDispose]() {
			await stub.stop()
			temp[Symbol.dispose]()
		},
	}
}

function put(stub: S3Stub, bytes: Uint8Array, etag: string): void {
	stub.objects.set(KEY, { bytes, etag })
}

function isRange(request: Request): boolean {
	return request.headers.has('range')
}

/** The answer without what follows its first `length` bytes: it ends there, or says nothing more. */
function cut(stub: S3Stub, request: Request, length: number, how: 'ends' | 'is silent'): Response {
	const whole = get(stub.objects, KEY, request)
	const body = new ReadableStream({
		async start(controller) {
			controller.enqueue((await whole.bytes()).subarray(0, length))
			if (how === 'ends') controller.close()
		},
	})
	return new Response(body, whole)
}

/** Of the first range 300,000 bytes come, of the others none, and then the store is away. */
async function interrupt(at: Awaited<ReturnType<typeof setUp>>): Promise<void> {
	const seen = new Set<string>()
	at.stub.fault = (request) => {
		const range = request.headers.get('range') ?? ''
		if (range.startsWith('bytes=0-')) return cut(at.stub, request, 300_000, 'ends')
		const isFirst = !range.startsWith('bytes=300000-') && !seen.has(range)
		seen.add(range)
		return isFirst ? new Promise<Response>(() => {}) : refuse(503, 'SlowDown')
	}
	await expect(at.fetch()).rejects.toThrow('503 SlowDown')
	at.stub.fault = null
	at.stub.requests.length = 0
}

describe('a download', () => {
	test('comes in ranges of one version, and is what was published', async () => {
		await using at = setUp()
		await at.fetch()
		expect(at.isThere()).toBe(true)
		const ranges = at.stub.requests.map((line) => line.split('bytes=')[1])
		expect(ranges.toSorted()).toEqual([
			`0-${PIECE_BYTES - 1}`,
			`${2 * PIECE_BYTES}-${BYTES - 1}`,
			`${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`,
		])
	})

	test('of a small or an empty file is one request', async () => {
		for (const length of [0, 1, 5000]) {
			await using at = setUp(someBytes(1, length))
			await at.fetch()
			expect(at.isThere()).toBe(true)
			expect(at.stub.requests).toEqual(['GET weights'])
		}
	})

	test('goes on behind what has come when the connection is cut, with the version that it has', async () => {
		await using at = setUp()
		let cuts = 0
		at.stub.fault = (request) => {
			if (!request.headers.get('range')?.startsWith('bytes=0-') || cuts++ > 0) return
			return cut(at.stub, request, 1_000_000, 'ends')
		}
		await at.fetch()
		expect(at.isThere()).toBe(true)
		expect(at.stub.requests).toContain(`GET weights bytes=1000000-${PIECE_BYTES - 1}`)
		expect(at.stub.lastHeaders().get('if-match')).toBe('"first"')
	})

	test('that fails is gone on with by the next, which asks only for what is missing', async () => {
		await using at = setUp()
		const notedPieces = () => {
			const note = existsSync(`${at.path}~`) ? readFileSync(`${at.path}~`, 'utf8') : ''
			return /"done":\[(.*)\]/.exec(note)?.[1]
		}
		at.stub.fault = async (request, key) => {
			if (!request.headers.get('range')?.startsWith(`bytes=${PIECE_BYTES}-`)) {
				return get(at.stub.objects, key, request)
			}
			await eventually(() => notedPieces() === `${PIECE_BYTES},0,1000`, 20_000)
			return refuse(503, 'SlowDown')
		}
		await expect(at.fetch()).rejects.toThrow('503 SlowDown')
		at.stub.fault = null
		at.stub.requests.length = 0
		await at.fetch()
		expect(at.isThere()).toBe(true)
		expect(at.stub.requests).toEqual([`GET weights bytes=${PIECE_BYTES}-${2 * PIECE_BYTES - 1}`])
	})

	test('that was interrupted goes on behind the last byte that has come', async () => {
		await using at = setUp()
		await interrupt(at)
		await at.fetch()
		expect(at.isThere()).toBe(true)
		expect(at.stub.requests).toContain(`GET weights bytes=300000-${PIECE_BYTES - 1}`)
		expect(at.stub.requests.some((line) => line.includes('bytes=0-'))).toBe(false)
	})

	test('that falls silent in the middle is given up after a while, and goes on from there', async () => {
		await using at = setUp(someBytes(1, 500_000), STALL_MS)
		at.stub.fault = (request) =>
			isRange(request) ? undefined : cut(at.stub, request, 300_000, 'is silent')
		await at.fetch()
		expect(at.isThere()).toBe(true)
		expect(at.stub.requests).toEqual(['GET weights', 'GET weights bytes=300000-499999'])
	})

	test('never mixes two versions: of another one nothing is taken', async () => {
		await using at = setUp()
		await interrupt(at)
		put(at.stub, someBytes(7), '"second"')
		await expect(at.fetch()).rejects.toThrow('not those that were published')
		put(at.stub, at.bytes, '"third"')
		await at.fetch()
		expect(at.isThere()).toBe(true)
	})

	test('starts anew where the note of what has come is damaged', async () => {
		await using at = setUp()
		await interrupt(at)
		for (const note of ['', '{"etag":null,"done":[1]}', '{"etag":null,"done":[-1,0,0]}']) {
			writeFileSync(`${at.path}~`, note)
			await at.fetch()
			expect(at.isThere()).toBe(true)
		}
	})

	test('of an object that is not there says so', async () => {
		await using at = setUp()
		at.stub.objects.clear()
		await expect(at.fetch()).rejects.toThrow('get weights: it is not there')
	})
})

describe('a store that', () => {
	const headersOf = (etag: string, range: string) => ({ etag, 'content-range': range })

	test.each<[string, (at: Awaited<ReturnType<typeof setUp>>) => StubFault]>([
		[
			'answers ranges with the whole',
			(at) => (request) =>
				isRange(request)
					? new Response(Buffer.from(at.bytes), { headers: { etag: '"first"' } })
					: undefined,
		],
		[
			'answers with another range',
			(at) => (request) =>
				isRange(request)
					? new Response(Buffer.from(at.bytes.subarray(0, 10)), {
							status: 206,
							headers: headersOf('"first"', `bytes 0-9/${BYTES}`),
						})
					: undefined,
		],
		[
			'refuses ranges',
			() => (request) => (isRange(request) ? refuse(416, 'InvalidRange') : undefined),
		],
		[
			'gives each answer an ETag of its own',
			(at) => {
				let count = 0
				return (request) => {
					const answer = get(at.stub.objects, KEY, new Request(request.url, request))
					if (!answer.ok) return answer
					const headers = new Headers(answer.headers)
					headers.set('etag', `"${count++}"`)
					return new Response(answer.body, { status: answer.status, headers })
				}
			},
		],
		[
			'knows no ETags',
			(at) => (request) => {
				const answer = get(at.stub.objects, KEY, request)
				const headers = new Headers(answer.headers)
				headers.delete('etag')
				return new Response(answer.body, { status: answer.status, headers })
			},
		],
	])('%s is read all the same', async (_what, fault) => {
		await using at = setUp()
		at.stub.fault = fault(at)
		await at.fetch()
		expect(at.isThere()).toBe(true)
	})

	test('gives other bytes is not believed, and nothing of them stays', async () => {
		await using at = setUp()
		put(at.stub, someBytes(2), '"other"')
		await expect(at.fetch()).rejects.toThrow('not those that were published')
		expect(existsSync(`${at.path}~`) && readFileSync(at.path).length > 0).toBe(false)
	})

	test('has a shorter or a longer object is not believed', async () => {
		for (const length of [BYTES - 1, BYTES + PIECE_BYTES]) {
			await using at = setUp()
			put(at.stub, someBytes(1, length), '"other"')
			at.stub.fault = (request) =>
				isRange(request) ? new Response('', { status: 200 }) : undefined
			await expect(at.fetch()).rejects.toThrow(/expected \d+ bytes, got \d+/)
		}
	})

	test('is slow, but goes on, is waited for', async () => {
		await using at = setUp(someBytes(1, 60_000), STALL_MS)
		at.stub.fault = (request) => {
			const whole = get(at.stub.objects, KEY, request)
			const body = new ReadableStream({
				async start(controller) {
					const bytes = await whole.bytes()
					// Longer than it may be silent, in pieces that come in time.
					for (let i = 0; i < 6; i++) {
						controller.enqueue(bytes.subarray(i * 10_000, (i + 1) * 10_000))
						await Bun.sleep(STALL_MS / 5)
					}
					controller.close()
				},
			})
			return new Response(body, whole)
		}
		await at.fetch()
		expect(at.isThere()).toBe(true)
	})
})
