import { Elysia } from 'elysia'
import {
	Detokenized,
	DetokenizeRequest,
	Tokenized,
	TokenizeRequest,
} from '../../openai/schemas/tokenize.ts'
import { toDetokenized, toTokenized } from '../../openai/tokenize.ts'
import type { ServerDeps } from '../deps.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'

/** POST /tokenize and /detokenize, in the shape of vLLM. */
export function tokenize({ catalog, limits }: ServerDeps) {
	const encode = async (body: TokenizeRequest, signal: AbortSignal) => {
		using lease = await catalog.acquire(body.model, signal)
		return toTokenized(body, lease.tokenizer, lease.config.contextLength)
	}
	const decode = async (body: DetokenizeRequest, signal: AbortSignal) => {
		using lease = await catalog.acquire(body.model, signal)
		return toDetokenized(body.tokens, {
			tokenizer: lease.tokenizer,
			vocabSize: lease.config.vocabSize,
		})
	}
	const common = { tag: 'Service', errors: generationErrors } as const
	const encodeHooks = {
		...jsonBody(TokenizeRequest, { bytesMax: limits.bodyBytesMax }),
		...operation({
			...common,
			summary: 'Text or messages to token ids',
			content: { 'application/json': Tokenized },
		}),
	}
	const decodeHooks = {
		...jsonBody(DetokenizeRequest, { bytesMax: limits.bodyBytesMax }),
		...operation({
			...common,
			summary: 'Token ids to text',
			content: { 'application/json': Detokenized },
		}),
	}
	return new Elysia({ name: 'tokenize', normalize: false })
		.post('/tokenize', ({ body, request }) => encode(body, request.signal), encodeHooks)
		.post('/v1/tokenize', ({ body, request }) => encode(body, request.signal), encodeHooks)
		.post('/detokenize', ({ body, request }) => decode(body, request.signal), decodeHooks)
		.post('/v1/detokenize', ({ body, request }) => decode(body, request.signal), decodeHooks)
}
