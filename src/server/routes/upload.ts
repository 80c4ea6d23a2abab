import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import {
	AssembleBody,
	FileAnswer,
	ModelFileHeaders,
	PieceAnswer,
	PieceHeaders,
	UploadAnswer,
	UploadBody,
} from '../../alpha/schemas/upload.ts'
import type { UploadRequest } from '../../upload/upload.ts'
import { checkUploadId } from '../../upload/upload-fields.ts'
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
				id: 'upload',
				summary: 'Upload a checkpoint, or a file of a model',
				description:
					'The next request can use the model. The body may be compressed (gzip, zstd). A binary ' +
					'checkpoint goes as application/octet-stream with X-Checkpoint- headers.\n\n' +
					"The files of another trainer's model go one by one, each as the body of a request with its " +
					'name in X-Model-File and the same X-Upload-Id in all; /api/upload/assemble then makes the ' +
					'model of them. A model that is one file needs no X-Upload-Id: with X-Checkpoint-Name it is ' +
					'served at once. Files of torch.save and pickle are taken with --allow-pickle-uploads only.',
				body: UploadBody,
				hasBinaryBody: true,
				headers: ModelFileHeaders,
				content: { 'application/json': Type.Union([UploadAnswer, FileAnswer]) },
			}),
		})
		.post('/api/upload/chunk', ({ request }) => receivePiece(context, request), {
			parse: 'none',
			...operation({
				...declaration,
				id: 'uploadPiece',
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
				id: 'assembleUpload',
				summary: 'Put uploaded pieces, or files, together',
				description:
					'The next request can use the model. With `files` instead of `totalChunks` and `config` it is ' +
					'made of the files of another trainer that have come: a step of the run, in place of what it held of that step. ' +
					'Without `step`, the model tells its own, or it is 0.',
				body: AssembleBody,
				content: { 'application/json': UploadAnswer },
			}),
		})
}

async function receive({ uploads, connections }: ServerContext, request: Request) {
	const uploadId = request.headers.get('x-upload-id')
	if (uploadId !== null) checkUploadId(uploadId)
	const isBare = request.headers.get('content-type')?.includes('octet-stream')
	if (request.body === null)
		throw isBare ? missingParameter('checkpoint') : invalidJson('it is empty')
	// A slow sender may pause, and verifying a large checkpoint moves no bytes at all.
	const receipt = await connections.withoutIdleTimeout(request, () =>
		uploads.receive(uploadRequest(request)),
	)
	if ('file' in receipt) return { ok: true, file: receipt.file }
	return { ok: true, name: receipt.name, step: receipt.step }
}

async function receivePiece({ uploads, connections }: ServerContext, request: Request) {
	if (request.body === null) throw missingParameter('body')
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
