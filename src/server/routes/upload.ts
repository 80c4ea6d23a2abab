import { Elysia } from 'elysia'
import { UploadAnswer, UploadBody } from '../../alpha/schemas/upload.ts'
import { invalidJson, missingParameter } from '../../wire/errors.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'

/** POST /api/upload. */
export function upload(context: ServerContext) {
	return new Elysia().post('/api/upload', ({ request }) => receive(context, request), {
		parse: 'none',
		...operation({
			tag: 'Alpha',
			summary: 'Upload a checkpoint',
			description:
				'The next request can use the model. The body may be compressed (gzip, zstd). A binary ' +
				'checkpoint goes as application/octet-stream with X-Checkpoint-Name, X-Checkpoint-Step, ' +
				'X-Checkpoint-Config and X-Checkpoint-Metrics headers, the last two in base64.',
			body: UploadBody,
			content: { 'application/json': UploadAnswer },
			errors: [400, 401, 403, 409, 413, 415, 500, 503, 507],
			security: 'uploadSecret',
		}),
	})
}

async function receive({ uploads, connections }: ServerContext, request: Request) {
	const { headers, body, signal } = request
	if (body === null) {
		const isBare = headers.get('content-type')?.includes('octet-stream')
		throw isBare ? missingParameter('checkpoint') : invalidJson('it is empty')
	}
	// A slow sender may pause, and verifying a large checkpoint moves no bytes at all.
	const { name, step } = await connections.withoutIdleTimeout(request, () =>
		uploads.receive({ headers, body, signal }),
	)
	return { ok: true, name, step }
}
