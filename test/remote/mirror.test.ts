/** Servers that share an object store: each with a directory of its own. */
import { describe, expect, test } from 'bun:test'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { headKey, parseHead } from '../../src/remote/head.ts'
import { intervalMs, Mirror } from '../../src/remote/mirror.ts'
import { ObjectStore } from '../../src/remote/object-store.ts'
import { RemoteRuns } from '../../src/remote/remote-runs.ts'
import { toJsonForm } from '../helpers/tiny-checkpoint.ts'
import { jsonBody, UploadDoor, verifyHere, versioned } from '../upload/upload-fixture.ts'
import { refuse, type S3Stub, startS3Stub } from './s3-stub.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
/** Stores have all the time that they need, but for the one that never answers. */
const PATIENT_MS = 60_000
const STALL_MS = 2000

/** A server without HTTP: uploads go to the store, `mirror.look()` brings what others have published. */
class Replica implements Disposable {
	readonly door: UploadDoor
	readonly mirror: Mirror

	private constructor(door: UploadDoor, mirror: Mirror) {
		this.door = door
		this.mirror = mirror
	}

	static async start(stub: S3Stub, stallMs?: number): Promise<Replica> {
		const mirrors: Mirror[] = []
		const door = await UploadDoor.open({
			commit: (name, staged, move) => mirrors[0]!.publish(name, staged, move),
		})
		const replica = new Replica(door, createMirror(door, stub, stallMs))
		mirrors.push(replica.mirror)
		return replica
	}

	/** Sends a checkpoint that carries `version` as its step. */
	upload(version: number) {
		const checkpoint = toJsonForm(versioned(version)).toString()
		return this.door.send(jsonBody({ step: String(version), checkpoint }), JSON_TYPE)
	}

	get step(): number | undefined {
		return this.door.store.find('run')?.step
	}

	[Symbol.dispose](): void {
		this.mirror.close()
		this.door[Symbol.dispose]()
	}
}

function createMirror(door: UploadDoor, { env }: S3Stub, stallMs = PATIENT_MS): Mirror {
	const objects = new ObjectStore({ url: 's3://models/team', env, stallMs })
	return new Mirror({
		runs: new RemoteRuns(objects),
		store: door.store,
		verify: verifyHere,
		exclusively: (name, work) => door.receiver.exclusively(name, work),
		commit: (_name, _staged, move) => move(),
		remove: async (name) => {
			rmSync(join(door.path, name), { recursive: true })
			await door.store.rescan(name)
		},
		log: (level, message) => void door.log.push(`${level} ${message}`),
	})
}

describe('replicas of one store', () => {
	test('serve what was uploaded to any of them, after one look', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		using second = await Replica.start(stub)
		expect(await first.upload(7)).toMatchObject({ step: 7 })
		expect(second.step).toBeUndefined()
		await second.mirror.look()
		expect(second.step).toBe(7)
		const file = 'run/checkpoint-7.json'
		const [here, there] = [first, second].map(({ door }) => readFileSync(join(door.path, file)))
		expect(there).toEqual(here!)
		expect(second.mirror.state).toMatchObject({ isReachable: true, fetchedTotal: 1 })
		await second.upload(8)
		await first.mirror.look()
		expect(first.step).toBe(8)
	})

	test('ask only for the head of what has not changed, and bring nothing twice', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		using second = await Replica.start(stub)
		await first.upload(7)
		await second.mirror.look()
		stub.requests.length = 0
		await second.mirror.look()
		expect(stub.requests).toEqual(['GET list', 'GET team/runs/run/HEAD.json'])
		expect(second.mirror.state.fetchedTotal).toBe(1)
	})

	test('take what is there already by its digest, also without their index', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		await first.upload(7)
		rmSync(join(first.door.path, '.remote.json'))
		const again = createMirror(first.door, stub)
		stub.requests.length = 0
		await again.look()
		expect(stub.requests.filter((line) => line.includes('step-'))).toEqual([])
		expect(again.state).toMatchObject({ isReachable: true, fetchedTotal: 0 })
	})

	test('that share a directory fetch each file once', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		using second = await Replica.start(stub)
		const sibling = createMirror(second.door, stub)
		await first.upload(7)
		stub.requests.length = 0
		await Promise.all([second.mirror.look(), sibling.look()])
		await Promise.all([second.mirror.look(), sibling.look()])
		expect(second.step).toBe(7)
		const weights = stub.requests.filter((line) => line.includes('checkpoint-7'))
		expect(weights).toHaveLength(1)
		expect([second.mirror, sibling].map(({ state }) => state.isReachable)).toEqual([true, true])
		expect(second.mirror.state.fetchedTotal + sibling.state.fetchedTotal).toBe(1)
		expect(second.door.files().filter((path) => path.startsWith('.downloads'))).toEqual([])
	})

	test('have a run brought for a command, which waits for whoever fetches it', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		using second = await Replica.start(stub)
		const command = createMirror(second.door, stub)
		await first.upload(7)
		stub.requests.length = 0
		const [isThere] = await Promise.all([command.bring('run'), second.mirror.look()])
		expect(isThere).toBe(true)
		expect(second.step).toBe(7)
		expect(stub.requests.filter((line) => line.includes('checkpoint-7'))).toHaveLength(1)
		expect(await command.bring('nobody')).toBe(false)
	})

	test('see a run go that was deleted on one of them', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		using second = await Replica.start(stub)
		await first.upload(7)
		await second.mirror.look()
		await first.mirror.remove('run')
		await second.mirror.look()
		expect(second.step).toBeUndefined()
		expect(existsSync(join(second.door.path, 'run'))).toBe(false)
	})

	test('never go back to a lower step', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		using second = await Replica.start(stub)
		await first.upload(8)
		await second.upload(7)
		await second.mirror.look()
		expect([first.step, second.step]).toEqual([8, 8])
	})

	test('of publishers that race one wins each time, and heads are never mixed', async () => {
		await using stub = startS3Stub()
		using first = await Replica.start(stub)
		using second = await Replica.start(stub)
		for (let round = 1; round <= 8; round++) {
			await Promise.all([first.upload(round * 2), second.upload(round * 2 + 1)])
			const head = stub.objects.get(`team/${headKey('run')}`)!
			const parsed = parseHead(Buffer.from(head.bytes).toString())
			expect(parsed).not.toBeNull()
			for (const { path, sha256 } of parsed!.files) {
				const key = `team/runs/run/step-${parsed!.step}/${parsed!.digest}/${path}`
				const bytes = stub.objects.get(key)!.bytes
				expect(new Bun.CryptoHasher('sha256').update(bytes).digest('hex')).toBe(sha256)
			}
			await Promise.all([first.mirror.look(), second.mirror.look()])
			expect(first.step).toBe(second.step!)
		}
	})
})

test('an outage is met more seldom the longer it lasts, and its end is seen in 15 seconds', () => {
	const intervals = [0, 1, 2, 3, 1000].map((outages) => intervalMs(5000, outages))
	expect(intervals).toEqual([5000, 10_000, 12_000, 12_000, 12_000])
	expect(intervalMs(60_000, 9)).toBe(60_000)
})

describe('a store that', () => {
	/** What one replica has published, and one that has not yet looked. */
	async function published(stub: S3Stub, stallMs?: number) {
		const first = await Replica.start(stub)
		await first.upload(7)
		return { first, second: await Replica.start(stub, stallMs) }
	}

	const isWeights = (key: string) => key.includes('checkpoint-7')

	test.each<[string, () => Response | Promise<Response>, string, number]>([
		['is away', () => refuse(503, 'SlowDown'), '503 SlowDown', PATIENT_MS],
		[
			'sees another time',
			() => refuse(403, 'RequestTimeTooSkewed'),
			'the clock of this machine is wrong',
			PATIENT_MS,
		],
		['does not answer', () => new Promise<Response>(() => {}), 'no answer for', STALL_MS],
	])(
		'%s changes nothing of what is served, is told, and is asked again',
		async (_what, answer, told, stallMs) => {
			await using stub = startS3Stub()
			const { first, second } = await published(stub, stallMs)
			using _first = first
			using _second = second
			await second.mirror.look()
			stub.fault = (_request, key) => (key === '' ? undefined : answer())
			await second.mirror.look()
			expect(second.mirror.state).toMatchObject({ isReachable: false, failuresTotal: 1 })
			expect(second.mirror.state.reason).toContain(told)
			expect(second.mirror.state.reason).not.toContain('Signature')
			expect(second.step).toBe(7)
			stub.fault = null
			await second.mirror.look()
			expect(second.mirror.state).toMatchObject({ isReachable: true, reason: null })
			expect(second.door.log.join('\n')).toContain('it answers again')
		},
	)

	test.each([
		['cuts files short', (bytes: Uint8Array) => bytes.slice(0, -10), /expected \d+ bytes, got \d+/],
		[
			'gives other bytes',
			(bytes: Uint8Array) => bytes.map((byte, i) => (i === 9 ? byte ^ 1 : byte)),
			/not those that were published/,
		],
	])(
		'%s is not believed, and the run comes when it is right again',
		async (_what, damage, told) => {
			await using stub = startS3Stub()
			const { first, second } = await published(stub)
			using _first = first
			using _second = second
			stub.fault = (_request, key) =>
				isWeights(key) ? new Response(damage(stub.objects.get(key)!.bytes)) : undefined
			await second.mirror.look()
			expect(second.mirror.state.reason).toMatch(told)
			expect(second.door.files().filter((path) => !path.startsWith('.'))).toEqual([])
			stub.fault = null
			await second.mirror.look()
			expect(second.step).toBe(7)
		},
	)

	test('says the same ETag for all is seen through by a full look', async () => {
		await using stub = startS3Stub()
		const { first, second } = await published(stub)
		using _first = first
		using _second = second
		await second.mirror.look()
		await first.upload(8)
		stub.fault = (request) =>
			request.headers.has('if-none-match') ? new Response(null, { status: 304 }) : undefined
		for (let look = 0; look < 6; look++) await second.mirror.look()
		expect(second.step).toBe(8)
	})

	test('refuses the condition makes the upload a conflict that can be sent again', async () => {
		await using stub = startS3Stub()
		using replica = await Replica.start(stub)
		stub.fault = (request, key) =>
			request.method === 'PUT' && key.endsWith('HEAD.json')
				? refuse(412, 'PreconditionFailed')
				: undefined
		expect(await replica.upload(7)).toMatchObject({ status: 409 })
		expect(replica.step).toBeUndefined()
		stub.fault = null
		expect(await replica.upload(7)).toMatchObject({ step: 7 })
	})

	test('is writing the same key for somebody else makes the upload a conflict, too', async () => {
		await using stub = startS3Stub()
		using replica = await Replica.start(stub)
		stub.fault = (request, key) =>
			request.method === 'PUT' && key.endsWith('HEAD.json')
				? refuse(409, 'ConditionalRequestConflict')
				: undefined
		expect(await replica.upload(7)).toMatchObject({ status: 409 })
		expect(replica.step).toBeUndefined()
	})

	test('goes away is asked for no more in the same look', async () => {
		await using stub = startS3Stub()
		using replica = await Replica.start(stub)
		for (let run = 0; run < 50; run++) {
			stub.objects.set(`team/${headKey(`run-${run}`)}`, { bytes: Buffer.from('{}'), etag: '"1"' })
		}
		stub.fault = (_request, key) => (key === '' ? undefined : refuse(503, 'SlowDown'))
		await replica.mirror.look()
		expect(replica.mirror.state.reason).toContain('503 SlowDown')
		expect(stub.requests.length).toBeLessThan(10)
	})

	test('is away makes an upload fail with 503 and leaves nothing', async () => {
		await using stub = startS3Stub()
		using replica = await Replica.start(stub)
		stub.fault = () => refuse(503, 'SlowDown')
		const answer = await replica.upload(7)
		expect(answer).toMatchObject({ status: 503 })
		expect(JSON.stringify(answer)).not.toContain('Signature')
		expect(replica.door.files()).toEqual([])
	})

	test('gives what cannot be written here is told without a path', async () => {
		await using stub = startS3Stub()
		const { first, second } = await published(stub)
		using _first = first
		using _second = second
		writeFileSync(join(second.door.path, '.downloads'), '')
		await second.mirror.look()
		expect(second.mirror.state.reason).toMatch(/^what comes cannot be written here \([A-Z]+\)$/)
		rmSync(join(second.door.path, '.downloads'))
		await second.mirror.look()
		expect(second.step).toBe(7)
	})

	test('has a head that nobody would write is not followed', async () => {
		await using stub = startS3Stub()
		using replica = await Replica.start(stub)
		const file = { path: '../../etc/passwd', bytes: 1, sha256: '0'.repeat(64) }
		const bytes = Buffer.from(JSON.stringify({ step: 1, digest: '0', files: [file] }))
		stub.objects.set(`team/${headKey('run')}`, { bytes, etag: '"1"' })
		await replica.mirror.look()
		expect(replica.mirror.state.reason).toContain('is not what a publisher writes')
		expect(replica.door.files()).toEqual([])
	})
})
