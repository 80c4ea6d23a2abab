import { Elysia } from 'elysia'
import { toGenerateTextRequest } from '../../alpha/requests.ts'
import { toGenerated } from '../../alpha/responses.ts'
import { Generated, GenerateRequest, GenerateSettings } from '../../alpha/schemas/generate.ts'
import type { ServerContext } from '../deps.ts'
import { overlaidBodyReader } from '../json-body.ts'
import { generationErrors, generationHeaders, operation } from '../openapi.ts'
import { queryReader } from '../query.ts'
import { answerWhole, headResponse } from '../text-answer.ts'
import { openSession } from '../text-session.ts'

type Reader = (request: Request) => GenerateRequest | Promise<GenerateRequest>

/** GET and POST /api/generate; the query wins over the body, parameter by parameter. */
export function generate(context: ServerContext) {
	const readQuery = queryReader(GenerateRequest)
	const readBody = overlaidBodyReader(GenerateRequest, context.limits.bodyBytesMax)
	const declaration = {
		tag: 'Alpha',
		summary: 'Complete a text',
		answerHeaders: generationHeaders,
		content: { 'application/json': Generated },
		errors: generationErrors,
		takesPlace: true,
	}
	return new Elysia()
		.get(
			'/api/generate',
			({ request }) => complete(context, request, readQuery),
			operation({
				...declaration,
				id: 'generateFromQuery',
				description: 'All parameters are in the query.',
				query: GenerateRequest,
			}),
		)
		.post(
			'/api/generate',
			({ request }) => complete(context, request, readBody),
			operation({
				...declaration,
				id: 'generate',
				description:
					'Any parameter, `prompt` too, may be in the query instead, where it wins over the body.',
				query: GenerateSettings,
				body: GenerateRequest,
			}),
		)
}

async function complete(context: ServerContext, request: Request, read: Reader): Promise<Response> {
	if (request.method === 'HEAD') return headResponse('application/json')
	using opening = await openSession(context, request, read)
	const { asked, lease, requestContext } = opening
	const session = await opening.start([await toGenerateTextRequest(asked, requestContext)])
	const response = await answerWhole(session, ([result]) => toGenerated(lease.id, result!))
	response.headers.set('cache-control', 'no-store')
	return response
}
