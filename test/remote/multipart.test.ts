/** Large objects in parts: nobody sees them before they are whole, and what fails leaves no parts. */
import { expect, test } from 'bun:test'
import { ObjectStore } from '../../src/remote/object-store.ts'
import { refuse, type S3Stub, startS3Stub } from './s3-stub.ts'

const PART_BYTES = 100_000
const BYTES = Buffer.from(Array.from({ length: 350_000 }, (_, i) => (i * 7) % 251))
const body = () => new Blob([BYTES])

function openObjects({ env }: S3Stub): ObjectStore {
	return new ObjectStore({ url: 's3://models/team', env, partBytes: PART_BYTES })
}

function isPart(request: Request): boolean {
	return request.url.includes('partNumber=')
}

test('a large object goes in parts and is whole', async () => {
	await using stub = startS3Stub()
	const etag = await openObjects(stub).put('weights', body(), { type: 'absent' })
	const stored = stub.objects.get('team/weights')!
	expect(BYTES.equals(stored.bytes)).toBe(true)
	expect(etag).toBe(stored.etag)
	expect(stub.requests.filter((line) => line === 'PUT team/weights')).toHaveLength(4)
	expect(stub.uploads.size).toBe(0)
})

test('a large object that is there is not sent again', async () => {
	await using stub = startS3Stub()
	const objects = openObjects(stub)
	await objects.put('weights', body(), { type: 'absent' })
	stub.requests.length = 0
	expect(await objects.put('weights', body(), { type: 'absent' })).toBeNull()
	expect(stub.requests).toEqual(['HEAD team/weights'])
})

test('of two that race for a key one wins, and no parts of the other stay', async () => {
	await using stub = startS3Stub()
	const objects = openObjects(stub)
	const results = await Promise.all([
		objects.put('weights', body(), { type: 'absent' }),
		objects.put('weights', body(), { type: 'absent' }),
	])
	expect(results.filter((etag) => etag !== null)).toHaveLength(1)
	expect(stub.uploads.size).toBe(0)
})

test('a part that meets an outage is sent again by itself', async () => {
	await using stub = startS3Stub()
	let outages = 1
	stub.fault = (request) => (isPart(request) && outages-- > 0 ? refuse(503, 'SlowDown') : undefined)
	await openObjects(stub).put('weights', body(), { type: 'always' })
	expect(BYTES.equals(stub.objects.get('team/weights')!.bytes)).toBe(true)
	expect(stub.requests.filter((line) => line === 'PUT team/weights')).toHaveLength(5)
})

test.each([
	[
		'a part is refused',
		(request: Request) => (isPart(request) ? refuse(403, 'AccessDenied') : undefined),
		'403 AccessDenied',
	],
	[
		'the parts are not put together',
		(request: Request) =>
			request.method === 'POST' && request.url.includes('uploadId=')
				? new Response('<Error><Code>InternalError</Code></Error>')
				: undefined,
		'not put together: InternalError',
	],
])('when %s nothing is written and no parts stay', async (_what, fault, told) => {
	await using stub = startS3Stub()
	stub.fault = fault
	await expect(openObjects(stub).put('weights', body(), { type: 'absent' })).rejects.toThrow(told)
	expect(stub.objects.size).toBe(0)
	expect(stub.uploads.size).toBe(0)
})

test('parts that a dead publisher has left are taken back after a day, those of others are not', async () => {
	await using stub = startS3Stub()
	const hoursAgo = (hours: number) => new Date(Date.now() - hours * 3_600_000).toISOString()
	const parts = new Map<number, Uint8Array>()
	stub.uploads.set('dead', { key: 'team/runs/a/x', initiated: hoursAgo(25), parts })
	stub.uploads.set('alive', { key: 'team/runs/a/y', initiated: hoursAgo(23), parts })
	await openObjects(stub).clearAbandoned('runs/a/')
	expect([...stub.uploads.keys()]).toEqual(['alive'])
	stub.fault = () => refuse(501, 'NotImplemented')
	await openObjects(stub).clearAbandoned('runs/a/')
})
