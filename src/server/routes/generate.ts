import { Elysia } from 'elysia'
import { toGenerateTextRequest } from '../../alpha/requests.ts'
import { toGenerated } from '../../alpha/responses.ts'
import { Generated, GenerateRequest, GenerateSettings } from '../../alpha/schemas/generate.ts'
import type { ServerContext } from '../deps.ts'
import { freshSeed } from '../ids.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'
import { strictQuery } from '../strict-query.ts'
import { answerWhole, headResponse } from '../text-answer.ts'
import { TextSession } from '../text-session.ts'

/** GET and POST /api/generate; the query wins over the body, parameter by parameter. */
export function generate(context: ServerContext) {
	const answer = async (asked: GenerateRequest, request: Request): Promise<Response> => {
		if (request.method === 'HEAD') return headResponse('application/json')
		const session = await TextSession.open(context, {
			model: asked.model,
			request,
			toRequests: ({ tokenizer }) => [
				toGenerateTextRequest(asked, { tokenizer, seed: freshSeed() }),
			],
		})
		const response = await answerWhole(session, request, context, ([result]) =>
			toGenerated(session.lease.id, result!),
		)
		response.headers.set('cache-control', 'no-store')
		return response
	}
	const describe = (summary: string, description: string) =>
		operation({
			tag: 'Alpha',
			summary,
			description,
			content: { 'application/json': Generated },
			errors: generationErrors,
		})
	return new Elysia({ name: 'generate', normalize: false })
		.get('/api/generate', ({ query, request }) => answer(query, request), {
			...strictQuery(GenerateRequest),
			...describe('Complete a text', 'All parameters are in the query.'),
		})
		.post('/api/generate', ({ body, request }) => answer(body, request), {
			...strictQuery(GenerateSettings),
			...jsonBody(GenerateRequest, {
				bytesMax: context.limits.bodyBytesMax,
				isOverlaidByQuery: true,
			}),
			...describe(
				'Complete a text',
				'Any parameter, `prompt` too, may be in the query instead, where it wins over the body.',
			),
		})
}
