import { Elysia } from 'elysia'
import {
	AssembleBody,
	PieceAnswer,
	PieceHeaders,
	UploadAnswer,
	UploadBody,
} from '../../alpha/schemas/upload.ts'
import type { UploadRequest } from '../../upload/upload.ts'
import { invalidJson, missingParameter } from '../../wire/errors.ts'
import type { ServerContext } from '../deps.ts'
import { operation } from '../openapi.ts'

/** POST /api/upload, and /api/upload/chunk with /api/upload/assemble for what comes in pieces. */
export function upload(context: ServerContext) {
	const declaration = {
		tag: 'Alpha',
		errors: [400, 401, 403, 409, 413, 415, 500, 503, 507],
		security: 'uploadSecret',
	} as const
	return new Elysia()
		.post('/api/upload', ({ request }) => receive(context, request), {
			parse: 'none',
			...operation({
				...declaration,
				summary: 'Upload a checkpoint',
				description:
					'The next request can use the model. The body may be compressed (gzip, zstd). A binary ' +
					'checkpoint goes as application/octet-stream with X-Checkpoint-Name, X-Checkpoint-Step, ' +
					'X-Checkpoint-Config and X-Checkpoint-Metrics headers, the last two in base64.',
				body: UploadBody,
				content: { 'application/json': UploadAnswer },
			}),
		})
		.post('/api/upload/chunk', ({ request }) => receivePiece(context, request), {
			parse: 'none',
			...operation({
				...declaration,
				summary: 'Upload a piece of a checkpoint',
				description:
					'The pieces are parts of one file, which may be compressed as a whole (gzip, zstd). They may ' +
					'come in any order and again; unfinished uploads are dropped an hour after their last piece.',
				headers: PieceHeaders,
				hasBinaryBody: true,
				content: { 'application/json': PieceAnswer },
			}),
		})
		.post('/api/upload/assemble', ({ request }) => assemble(context, request), {
			parse: 'none',
			...operation({
				...declaration,
				summary: 'Put uploaded pieces together',
				description: 'The next request can use the model.',
				body: AssembleBody,
				content: { 'application/json': UploadAnswer },
			}),
		})
}

async function receive({ uploads, connections }: ServerContext, request: Request) {
	const isBare = request.headers.get('content-type')?.includes('octet-stream')
	if (request.body === null)
		throw isBare ? missingParameter('checkpoint') : invalidJson('it is empty')
	// A slow sender may pause, and verifying a large checkpoint moves no bytes at all.
	const { name, step } = await connections.withoutIdleTimeout(request, () =>
		uploads.receive(uploadRequest(request)),
	)
	return { ok: true, name, step }
}

async function receivePiece({ uploads, connections }: ServerContext, request: Request) {
	const { index, received, total } = await connections.withoutIdleTimeout(request, () =>
		uploads.receivePiece(uploadRequest(request)),
	)
	return { ok: true, chunk: index, received, total }
}

async function assemble({ uploads, connections }: ServerContext, request: Request) {
	if (request.body === null) throw invalidJson('it is empty')
	const { name, step } = await connections.withoutIdleTimeout(request, () =>
		uploads.assemble(uploadRequest(request)),
	)
	return { ok: true, name, step }
}

function uploadRequest({ headers, body, signal }: Request): UploadRequest {
	return { headers, body: body ?? emptyBody(), signal }
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}
