/** An S3 server in memory, of the few requests that we send, with the faults that real ones have. */

export type StubFault = (request: Request, key: string) => Response | Promise<Response> | undefined

export interface S3Stub extends AsyncDisposable {
	/** Variables for `ObjectStore`. */
	readonly env: Readonly<Record<string, string>>
	readonly objects: Map<string, { readonly bytes: Uint8Array; readonly etag: string }>
	/** `GET runs/a/HEAD.json`, in the order of their arrival. */
	readonly requests: string[]
	/** Asked before each request; what it returns is the answer. */
	fault: StubFault | null
	stop(): Promise<void>
}

const BUCKET = 'models'

export function startS3Stub(): S3Stub {
	const objects: S3Stub['objects'] = new Map()
	const requests: string[] = []
	const stub = { fault: null as StubFault | null }
	const server = Bun.serve({
		hostname: '127.0.0.1',
		port: 0,
		async fetch(request) {
			const url = new URL(request.url)
			const key = decodeURIComponent(url.pathname).replace(`/${BUCKET}`, '').replace(/^\//, '')
			requests.push(`${request.method} ${key || 'list'}`)
			const broken = await stub.fault?.(request, key)
			if (broken !== undefined) return broken
			if (key === '') return list(objects, url.searchParams)
			if (request.method === 'PUT') return put(objects, key, request)
			if (request.method === 'DELETE') {
				objects.delete(key)
				return new Response(null, { status: 204 })
			}
			return get(objects, key, request)
		},
	})
	return {
		env: {
			AWS_ACCESS_KEY_ID: 'key',
			AWS_SECRET_ACCESS_KEY: 'a-very-secret-key',
			AWS_ENDPOINT_URL: server.url.href.replace(/\/$/, ''),
			AWS_REGION: 'us-east-1',
		},
		objects,
		requests,
		get fault() {
			return stub.fault
		},
		set fault(fault) {
			stub.fault = fault
		},
		stop: () => server.stop(true),
		[Symbol.asyncDispose]: () => server.stop(true),
	}
}

/** An answer as S3 refuses. */
export function refuse(status: number, code: string): Response {
	return new Response(`<Error><Code>${code}</Code><Message>no</Message></Error>`, { status })
}

function get(objects: S3Stub['objects'], key: string, request: Request): Response {
	const object = objects.get(key)
	if (object === undefined) return refuse(404, 'NoSuchKey')
	const headers = { etag: object.etag }
	if (request.headers.get('if-none-match') === object.etag) {
		return new Response(null, { status: 304, headers })
	}
	return new Response(Buffer.from(object.bytes), { headers })
}

async function put(objects: S3Stub['objects'], key: string, request: Request): Promise<Response> {
	const bytes = await request.bytes()
	const before = objects.get(key)
	const mustBeNew = request.headers.get('if-none-match') === '*'
	const expected = request.headers.get('if-match')
	if ((mustBeNew && before) || (expected !== null && expected !== before?.etag)) {
		return refuse(412, 'PreconditionFailed')
	}
	const etag = `"${new Bun.CryptoHasher('md5').update(bytes).digest('hex')}"`
	objects.set(key, { bytes, etag })
	return new Response(null, { headers: { etag } })
}

function list(objects: S3Stub['objects'], query: URLSearchParams): Response {
	const prefix = query.get('prefix') ?? ''
	const names = [...objects.keys()].filter((key) => key.startsWith(prefix))
	const directories = new Set(names.map((key) => `${key.slice(prefix.length).split('/')[0]}/`))
	const prefixes = [...directories].map(
		(name) => `<CommonPrefixes><Prefix>${prefix}${name}</Prefix></CommonPrefixes>`,
	)
	const fields = `<Name>${BUCKET}</Name><Prefix>${prefix}</Prefix><IsTruncated>false</IsTruncated>`
	return new Response(
		`<?xml version="1.0"?><ListBucketResult>${fields}${prefixes.join('')}</ListBucketResult>`,
		{ headers: { 'content-type': 'application/xml' } },
	)
}
