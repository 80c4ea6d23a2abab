import { Elysia } from 'elysia'
import { toGenerateTextRequest } from '../../alpha/requests.ts'
import { toGenerated } from '../../alpha/responses.ts'
import { Generated, GenerateRequest } from '../../alpha/schemas/generate.ts'
import { missingParameter } from '../../lib/api-errors.ts'
import type { ServerContext } from '../deps.ts'
import { freshSeed } from '../ids.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'
import { strictQuery } from '../strict-query.ts'
import { answerWhole } from '../text-answer.ts'
import { TextSession } from '../text-session.ts'

/** GET and POST /api/generate; the query wins over the body, parameter by parameter. */
export function generate(deps: ServerContext) {
	const answer = async (asked: GenerateRequest, request: Request): Promise<Response> => {
		const { prompt } = asked
		if (prompt === undefined) throw missingParameter('prompt')
		const session = await TextSession.open(deps, {
			model: asked.model,
			signal: request.signal,
			toRequests: ({ tokenizer }) => [
				toGenerateTextRequest({ ...asked, prompt }, { tokenizer, seed: freshSeed() }),
			],
		})
		const response = await answerWhole(session, request, deps, ([result]) =>
			toGenerated(session.lease.id, result!),
		)
		response.headers.set('cache-control', 'no-store')
		return response
	}
	const describe = (summary: string) =>
		operation({
			tag: 'Alpha',
			summary,
			content: { 'application/json': Generated },
			errors: generationErrors,
			security: 'apiKey',
		})
	return new Elysia({ name: 'generate', normalize: false })
		.get('/api/generate', ({ query, request }) => answer(query, request), {
			...strictQuery(GenerateRequest),
			...describe('Complete a text, parameters in the query'),
		})
		.post(
			'/api/generate',
			({ body, query, request }) => answer(merge(body, query, request), request),
			{
				...strictQuery(GenerateRequest),
				...jsonBody(GenerateRequest, { bytesMax: deps.limits.bodyBytesMax, optional: true }),
				...describe('Complete a text, parameters in the body or the query'),
			},
		)
}

/** What the query names comes from the query; its schema's defaults must not hide the body. */
function merge(body: GenerateRequest, query: GenerateRequest, request: Request): GenerateRequest {
	const named = new URLSearchParams(request.url.split('?')[1] ?? '')
	const fromQuery = Object.entries(query).filter(([name]) => named.has(name))
	return { ...body, ...Object.fromEntries(fromQuery) }
}
