import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { invalidApiKey, invalidJson, uploadsDisabled } from '../../lib/api-errors.ts'
import { bearerToken, Secret } from '../bearer.ts'
import { setIdleTimeout } from '../connection.ts'
import type { ServerDeps } from '../deps.ts'
import { operation } from '../openapi.ts'

const UploadAnswer = Type.Object({
	ok: Type.Boolean(),
	name: Type.String({ description: 'The model id.' }),
	step: Type.Integer({ minimum: 0 }),
})

/** POST /api/upload: who sends is checked before a byte of the body is read. */
export function upload({ uploads, limits }: ServerDeps) {
	const secret = uploads.secret === null ? null : new Secret(uploads.secret)
	return new Elysia({ name: 'upload', normalize: false }).post(
		'/api/upload',
		async ({ request }) => {
			if (secret === null) throw uploadsDisabled()
			if (!secret.equals(bearerToken(request.headers) ?? '')) {
				throw invalidApiKey('Expected the upload secret as `Authorization: Bearer <secret>`.')
			}
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
