import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { toApiChatTextRequest } from '../../alpha/requests.ts'
import { ApiChatRequest } from '../../alpha/schemas/chat.ts'
import type { ServerContext } from '../deps.ts'
import { freshSeed } from '../ids.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'
import { answerText } from '../text-answer.ts'
import { TextSession } from '../text-session.ts'

/** POST /api/chat: the plain text stream of the AI SDK's text protocol. */
export function apiChat(context: ServerContext) {
	return (
		new Elysia({ name: 'api-chat', normalize: false })
			.post(
				'/api/chat',
				async ({ body, request }) => {
					const session = await TextSession.open(context, {
						model: body.model,
						request,
						toRequests: ({ tokenizer }) => [
							toApiChatTextRequest(body, { tokenizer, seed: freshSeed() }),
						],
					})
					return answerText(session, request, context)
				},
				{
					...jsonBody(ApiChatRequest, { bytesMax: context.limits.bodyBytesMax }),
					...operation({
						tag: 'Alpha',
						summary: 'Stream a reply as plain text',
						description: 'For `useChat` with the text stream transport (AI SDK 3 to 7).',
						content: { 'text/plain': Type.String() },
						errors: generationErrors,
					}),
				},
			)
			// useChat asks here for a stream to resume; a 404 would put the chat into its error state.
			.get('/api/chat/:id/stream', () => new Response(null, { status: 204 }), {
				detail: {
					tags: ['Alpha'],
					summary: 'Nothing to resume',
					responses: { 204: { description: 'Streams cannot be resumed.' } },
				},
			})
	)
}
