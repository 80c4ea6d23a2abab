/** An S3 server in memory, of the few requests that we send, with the faults that real ones have. */

export type StubFault = (request: Request, key: string) => Response | Promise<Response> | undefined

interface StubObject {
	readonly bytes: Uint8Array
	readonly etag: string
}

export interface S3Stub extends AsyncDisposable {
	/** Variables for `ObjectStore`. */
	readonly env: Readonly<Record<string, string>>
	readonly objects: Map<string, StubObject>
	/** Objects whose parts come, by upload id. */
	readonly uploads: Map<string, StubUpload>
	/** `GET runs/a/HEAD.json`, in the order of their arrival; with the range where one is asked for. */
	readonly requests: string[]
	/** Headers of the last request. */
	readonly lastHeaders: () => Headers
	/** Asked before each request; what it returns is the answer. */
	fault: StubFault | null
	stop(): Promise<void>
}

export interface StubUpload {
	readonly key: string
	readonly initiated: string
	readonly parts: Map<number, Uint8Array>
}

const BUCKET = 'models'

export function startS3Stub(): S3Stub {
	const objects: S3Stub['objects'] = new Map()
	const uploads: S3Stub['uploads'] = new Map()
	const requests: string[] = []
	const stub = { fault: null as StubFault | null, headers: new Headers() }
	const server = Bun.serve({
		hostname: '127.0.0.1',
		port: 0,
		async fetch(request) {
			const url = new URL(request.url)
			const key = decodeURIComponent(url.pathname).replace(`/${BUCKET}`, '').replace(/^\//, '')
			const range = request.headers.get('range')
			requests.push(`${request.method} ${key || 'list'}${range === null ? '' : ` ${range}`}`)
			stub.headers = request.headers
			const broken = await stub.fault?.(request, key)
			if (broken !== undefined) return broken
			const query = url.searchParams
			if (key === '') return query.has('uploads') ? listUploads(uploads) : list(objects, query)
			if (query.has('uploads') || query.has('uploadId')) {
				return multipart({ objects, uploads }, key, request, query)
			}
			if (request.method === 'PUT') return put(objects, key, request, await request.bytes())
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
		uploads,
		requests,
		lastHeaders: () => stub.headers,
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

/** What the stub answers to a read, for faults that change it. */
export function get(objects: S3Stub['objects'], key: string, request: Request): Response {
	const object = objects.get(key)
	if (object === undefined) return refuse(404, 'NoSuchKey')
	const { bytes, etag } = object
	if (request.headers.get('if-none-match') === etag) {
		return new Response(null, { status: 304, headers: { etag } })
	}
	const expected = request.headers.get('if-match')
	if (expected !== null && expected !== etag) return refuse(412, 'PreconditionFailed')
	const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get('range') ?? '') ?? []
	if (first === undefined) return new Response(Buffer.from(bytes), { headers: { etag } })
	if (Number(first) >= bytes.length) return refuse(416, 'InvalidRange')
	const part = bytes.subarray(Number(first), Number(last) + 1)
	const range = `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`
	return new Response(Buffer.from(part), {
		status: 206,
		headers: { etag, 'content-range': range },
	})
}

function put(
	objects: S3Stub['objects'],
	key: string,
	request: Request,
	bytes: Uint8Array,
): Response {
	const before = objects.get(key)
	const mustBeNew = request.headers.get('if-none-match') === '*'
	const expected = request.headers.get('if-match')
	if ((mustBeNew && before) || (expected !== null && expected !== before?.etag)) {
		return refuse(412, 'PreconditionFailed')
	}
	const etag = etagOf(bytes)
	objects.set(key, { bytes, etag })
	return new Response(null, { headers: { etag } })
}

function etagOf(bytes: Uint8Array): string {
	return `"${new Bun.CryptoHasher('md5').update(bytes).digest('hex')}"`
}

/** Begins, takes parts of, puts together or gives up a large object. */
async function multipart(
	{ objects, uploads }: Pick<S3Stub, 'objects' | 'uploads'>,
	key: string,
	request: Request,
	query: URLSearchParams,
): Promise<Response> {
	const id = query.get('uploadId') ?? `upload-${uploads.size + 1}`
	if (query.has('uploads')) {
		uploads.set(id, { key, initiated: new Date().toISOString(), parts: new Map() })
		return xml('InitiateMultipartUploadResult', `<UploadId>${id}</UploadId>`)
	}
	const upload = uploads.get(id)
	if (upload === undefined || upload.key !== key) return refuse(404, 'NoSuchUpload')
	if (request.method === 'DELETE') {
		uploads.delete(id)
		return new Response(null, { status: 204 })
	}
	if (request.method === 'PUT') {
		const bytes = await request.bytes()
		upload.parts.set(Number(query.get('partNumber')), bytes)
		return new Response(null, { headers: { etag: etagOf(bytes) } })
	}
	const asked = [...(await request.text()).matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>(.*?)</g)]
	const parts = asked.map(([, number, etag]) => {
		const bytes = upload.parts.get(Number(number))
		return bytes && etag === etagOf(bytes).replaceAll('"', '&quot;') ? bytes : null
	})
	if (parts.length === 0 || parts.includes(null)) return refuse(400, 'InvalidPart')
	const answer = put(objects, key, request, Buffer.concat(parts as Uint8Array[]))
	if (!answer.ok) return answer
	uploads.delete(id)
	const etag = answer.headers.get('etag')!.replaceAll('"', '&quot;')
	return xml('CompleteMultipartUploadResult', `<ETag>${etag}</ETag>`)
}

function listUploads(uploads: S3Stub['uploads']): Response {
	const rows = [...uploads].map(
		([id, { key, initiated }]) =>
			`<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated}</Initiated></Upload>`,
	)
	return xml('ListMultipartUploadsResult', rows.join(''))
}

function list(objects: S3Stub['objects'], query: URLSearchParams): Response {
	const prefix = query.get('prefix') ?? ''
	const names = [...objects.keys()].filter((key) => key.startsWith(prefix))
	const directories = new Set(names.map((key) => `${key.slice(prefix.length).split('/')[0]}/`))
	const prefixes = [...directories].map(
		(name) => `<CommonPrefixes><Prefix>${prefix}${name}</Prefix></CommonPrefixes>`,
	)
	const fields = `<Name>${BUCKET}</Name><Prefix>${prefix}</Prefix><IsTruncated>false</IsTruncated>`
	return xml('ListBucketResult', fields + prefixes.join(''))
}

function xml(name: string, content: string): Response {
	const headers = { 'content-type': 'application/xml', date: new Date().toUTCString() }
	return new Response(`<?xml version="1.0"?><${name}>${content}</${name}>`, { headers })
}
