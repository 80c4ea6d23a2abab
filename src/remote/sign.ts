/* AWS's signature, version 4, in the headers of a request: of its conditions, too, but not of its body. */
import { createHmac } from 'node:crypto'

export interface Credentials {
	readonly accessKeyId: string
	readonly secretAccessKey: string
	readonly sessionToken: string | null
}

const SERVICE = 's3'
const UNSIGNED = 'UNSIGNED-PAYLOAD'

/** The headers to send: those given, and what proves who sends them. The URL's query is that of `encodeQuery`. */
export function signedHeaders(
	method: string,
	url: URL,
	headers: Readonly<Record<string, string>>,
	{ accessKeyId, secretAccessKey, sessionToken }: Credentials,
	{ region, now = new Date() }: { readonly region: string; readonly now?: Date },
): Record<string, string> {
	const time = now.toISOString().replace(/[-:]|\.\d{3}/g, '')
	const day = time.slice(0, 8)
	const all: Record<string, string> = {
		...headers,
		'x-amz-content-sha256': UNSIGNED,
		'x-amz-date': time,
		...(sessionToken === null ? {} : { 'x-amz-security-token': sessionToken }),
	}
	const signed = Object.entries({ ...all, host: url.host }).sort(([a], [b]) => (a < b ? -1 : 1))
	const names = signed.map(([name]) => name).join(';')
	const lines = signed.map(([name, value]) => `${name}:${value.trim()}\n`).join('')
	const query = url.search.slice(1)
	const request = [method, url.pathname, query, lines, names, UNSIGNED].join('\n')
	const scope = `${day}/${region}/${SERVICE}/aws4_request`
	const text = ['AWS4-HMAC-SHA256', time, scope, sha256(request)].join('\n')
	const key = [day, region, SERVICE, 'aws4_request'].reduce<Buffer | string>(
		(secret, part) => createHmac('sha256', secret).update(part).digest(),
		`AWS4${secretAccessKey}`,
	)
	const signature = createHmac('sha256', key).update(text).digest('hex')
	const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`
	return { ...all, authorization }
}

/** A key as a path, encoded as the signature has it. */
export function encodeKey(key: string): string {
	return key.split('/').map(encode).join('/')
}

/** Parameters as a query, in the order and form that the signature has. */
export function encodeQuery(parameters: Readonly<Record<string, string>>): string {
	return Object.entries(parameters)
		.map(([name, value]) => `${encode(name)}=${encode(value)}`)
		.sort()
		.join('&')
}

function encode(text: string): string {
	return encodeURIComponent(text).replace(
		/[!'()*]/g,
		(sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
	)
}

function sha256(text: string): string {
	return new Bun.CryptoHasher('sha256').update(text).digest('hex')
}
