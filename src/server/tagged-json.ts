/** JSON that a client may have already: an answer with an ETag, or 304. */

/** Answers a JSON text; 304 without it when the request's `If-None-Match` names the same. */
export function taggedJson(text: string, request: Request): Response {
	const tag = `"${Bun.hash(text).toString(36)}"`
	const headers = { 'content-type': 'application/json', etag: tag, 'cache-control': 'no-cache' }
	const known = request.headers.get('if-none-match') ?? ''
	const isKnown = known.split(',').some((each) => each.trim().replace(/^W\//, '') === tag)
	return isKnown ? new Response(null, { status: 304, headers }) : new Response(text, { headers })
}
