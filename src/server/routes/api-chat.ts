import { Type } from '@sinclair/typebox'
import { Elysia } from 'elysia'
import { toApiChatTextRequest } from '../../alpha/requests.ts'
import { ApiChatRequest } from '../../alpha/schemas/chat.ts'
import type { ServerContext } from '../deps.ts'
import { type BodyReader, bodyReader } from '../json-body.ts'
import { generationErrors, generationHeaders, operation } from '../openapi.ts'
import { answerText } from '../text-answer.ts'
import { openSession } from '../text-session.ts'

/** POST /api/chat: the plain text stream of the AI SDK's text protocol. */
export function apiChat(context: ServerContext) {
	const read = bodyReader(ApiChatRequest, context.limits.bodyBytesMax)
	return (
		new Elysia()
			.post(
				'/api/chat',
				({ request }) => reply(context, request, read),
				operation({
					tag: 'Alpha',
					id: 'streamReply',
					summary: 'Stream a reply as plain text',
					description: 'For `useChat` with the text stream transport (AI SDK 3 to 7).',
					body: ApiChatRequest,
					content: { 'text/plain': Type.String() },
					answerHeaders: generationHeaders,
					errors: generationErrors,
					takesPlace: true,
				}),
			)
			// useChat asks here for a stream to resume; a 404 would put the chat into its error state.
			.get('/api/chat/:id/stream', () => new Response(null, { status: 204 }), {
				detail: {
					tags: ['Alpha'],
					operationId: 'resumeReply',
					summary: 'Nothing to resume',
					responses: { 204: { description: 'Streams cannot be resumed.' } },
				},
			})
	)
}

async function reply(
	context: ServerContext,
	request: Request,
	read: BodyReader<ApiChatRequest>,
): Promise<Response> {
	using opening = await openSession(context, request, read)
	return answerText(
		await opening.start([await toApiChatTextRequest(opening.asked, opening.requestContext)], {
			isStreamed: true,
		}),
	)
}
