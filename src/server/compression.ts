/** Compressed answers for clients that take them. Whole answers only: a stream of events has to arrive as it is made. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'

/** What fits into one packet anyway gains nothing. */
const BYTES_MIN = 1400
/** Larger files are downloads: they are sent as they lie there. */
const BYTES_MAX = 32 * 1024 * 1024
/** Fast rather than small: most of it is read on the same machine or network. */
const LEVEL = 4

const COMPRESSIBLE = /^(application\/json|text\/(html|css|javascript)|image\/svg)/

/** The answer with a gzip body, where the client takes one and it is worth it; else the answer itself. */
export async function compressed(request: Request, answer: Response): Promise<Response> {
	const { status } = answer
	if (request.method === 'HEAD' || status !== 200) return answer
	const { headers } = answer
	if (!COMPRESSIBLE.test(headers.get('content-type') ?? '')) return answer
	if (headers.has('content-encoding') || headers.has('transfer-encoding')) return answer
	const declared = headers.get('content-length')
	if (declared !== null && Number(declared) < BYTES_MIN) return answer
	if (headers.has('content-disposition') || headers.has('content-range')) return answer
	headers.append('vary', 'accept-encoding')
	if (!takesGzip(request)) return answer
	const blob = await answer.blob()
	if (blob.size < BYTES_MIN || blob.size > BYTES_MAX) return new Response(blob, { status, headers })
	const bytes = await promisify(gzip)(await blob.arrayBuffer(), { level: LEVEL })
	headers.set('content-encoding', 'gzip')
	headers.delete('content-length')
	const etag = headers.get('etag')
	// The same content, but not the same bytes.
	if (etag !== null && !etag.startsWith('W/')) headers.set('etag', `W/${etag}`)
	return new Response(bytes, { status, headers })
}

/** By the header `Accept-Encoding`; a weight of zero refuses. */
export function takesGzip(request: Request): boolean {
	const accepted = request.headers.get('accept-encoding') ?? ''
	return accepted.split(',').some((each) => {
		const [name = '', ...parameters] = each.split(';').map((part) => part.trim().toLowerCase())
		const isRefused = parameters.some((parameter) => /^q=0(\.0*)?$/.test(parameter))
		return (name === 'gzip' || name === '*') && !isRefused
	})
}
