import { Elysia } from 'elysia'
import { UploadAnswer, UploadBody } from '../../alpha/schemas/upload.ts'
import { invalidJson, missingParameter } from '../../wire/errors.ts'
import { setIdleTimeout } from '../connection.ts'
import type { ServerDeps } from '../deps.ts'
import { operation } from '../openapi.ts'
import { UploadGuard } from '../upload-guard.ts'

/** POST /api/upload: who sends is checked before a byte of the body is read. */
export function upload({ uploads, limits }: ServerDeps) {
	const guard = new UploadGuard(uploads.secret)
	return new Elysia({ name: 'upload', normalize: false }).post(
		'/api/upload',
		async ({ request }) => {
			guard.check(request.headers)
			const { headers, body, signal } = request
			if (body === null) {
				const isBare = headers.get('content-type')?.includes('octet-stream')
				throw isBare ? missingParameter('checkpoint') : invalidJson('it is empty')
			}
			// A slow sender may pause, and verifying a large checkpoint moves no bytes at all.
			setIdleTimeout(request, 0)
			try {
				const { name, step } = await uploads.receive({ headers, body, signal })
				return { ok: true, name, step }
			} finally {
				setIdleTimeout(request, limits.stallSeconds)
			}
		},
		{
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
				security: uploads.secret === null ? 'none' : 'uploadSecret',
			}),
		},
	)
}
