import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { invalidJson } from '../../lib/api-errors.ts'
import { setIdleTimeout } from '../connection.ts'
import type { ServerDeps } from '../deps.ts'
import { operation } from '../openapi.ts'
import { UploadGuard } from '../upload-guard.ts'

const UploadAnswer = Type.Object({
	ok: Type.Boolean(),
	name: Type.String({ description: 'The model id.' }),
	step: Type.Integer({ minimum: 0 }),
})

/** POST /api/upload: who sends is checked before a byte of the body is read. */
export function upload({ uploads, limits }: ServerDeps) {
	const guard = new UploadGuard(uploads.secret)
	return new Elysia({ name: 'upload', normalize: false }).post(
		'/api/upload',
		async ({ request }) => {
			guard.check(request.headers)
			const { headers, body, signal } = request
			if (body === null) throw invalidJson('it is empty')
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
				description: 'JSON or binary, optionally compressed; the next request can use the model.',
				content: { 'application/json': UploadAnswer },
				errors: [400, 401, 403, 409, 413, 415, 500, 503, 507],
				security: 'uploadSecret',
			}),
		},
	)
}
