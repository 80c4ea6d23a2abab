/** Bodies that nobody reads: of refusals, of GET and HEAD, of routes that take none. */

/** What is left of a body up to here is read and dropped, so that the connection can be used again. */
const DROPPED_BODY_BYTES_MAX = 64 * 2 ** 10

/** Whether a body of a request with these headers may have so much left that reading it would cost more than a new connection. */
export function leavesMuchUnread(headers: Headers): boolean {
	if (headers.has('transfer-encoding')) return true
	return Number(headers.get('content-length') ?? 0) > DROPPED_BODY_BYTES_MAX
}

/** Has an answer end its connection where its request's body was not looked at and may be long. */
export function closingBehindUnread(request: Request, answer: Response): Response {
	if (leavesMuchUnread(request.headers) && !request.bodyUsed) {
		answer.headers.set('connection', 'close')
	}
	return answer
}
