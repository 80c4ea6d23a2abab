import { Elysia } from 'elysia'
import { malformedRequest } from '../wire/errors.ts'
import { cors } from './cors.ts'

/** A client's own request id is taken when it is short and printable. */
const saneRequestId = /^[\x21-\x7e]{1,128}$/

/** What holds for every request before its route is looked up: an id, CORS, one Host. */
export function requestRules() {
	return new Elysia({ name: 'request-rules' })
		.onRequest(({ request, set }) => {
			const id = request.headers.get('x-request-id') ?? ''
			set.headers['x-request-id'] = saneRequestId.test(id) ? id : crypto.randomUUID()
		})
		.use(cors())
		.onRequest(({ request }) => {
			// Bun joins repeated headers with commas, which no host contains.
			if (request.headers.get('host')?.includes(',')) {
				throw malformedRequest('more than one Host header')
			}
		})
}
