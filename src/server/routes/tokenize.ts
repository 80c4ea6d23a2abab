import { Elysia } from 'elysia'
import {
	Detokenized,
	DetokenizeRequest,
	Tokenized,
	TokenizeRequest,
	TokenizerInfo,
	TokenizerInfoQuery,
} from '../../openai/schemas/tokenize.ts'
import { toDetokenized, toTokenized, toTokenizerInfo } from '../../openai/tokenize.ts'
import type { ServerContext } from '../deps.ts'
import { answerJson } from '../json-answer.ts'
import { type BodyReader, bodyReader } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'
import { queryReader } from '../query.ts'

const readQuery = queryReader(TokenizerInfoQuery)

/** POST /tokenize and /detokenize, GET /tokenizer_info, in the shapes of vLLM. */
export function tokenize(context: ServerContext) {
	const { bodyBytesMax } = context.limits
	const readText = bodyReader(TokenizeRequest, bodyBytesMax)
	const readIds = bodyReader(DetokenizeRequest, bodyBytesMax)
	const common = { tag: 'Service', errors: generationErrors } as const
	return new Elysia()
		.post(
			'/tokenize',
			({ request }) => encode(context, request, readText),
			operation({
				...common,
				id: 'tokenize',
				summary: 'Text or messages to token ids',
				body: TokenizeRequest,
				content: { 'application/json': Tokenized },
			}),
		)
		.post(
			'/detokenize',
			({ request }) => decode(context, request, readIds),
			operation({
				...common,
				id: 'detokenize',
				summary: 'Token ids to text',
				body: DetokenizeRequest,
				content: { 'application/json': Detokenized },
			}),
		)
		.get(
			'/tokenizer_info',
			({ request }) => describe(context, request),
			operation({
				...common,
				id: 'getTokenizerInfo',
				summary: 'Reserved tokens and chat template',
				query: TokenizerInfoQuery,
				content: { 'application/json': TokenizerInfo },
			}),
		)
}

async function encode(context: ServerContext, request: Request, read: BodyReader<TokenizeRequest>) {
	const { catalog, clients, bodies } = context
	using held = bodies.open(clients.of(request))
	const body = await read(request, held)
	using lease = await catalog.acquire(body.model, request.signal)
	using _turn = await held.turn()
	const answer = await toTokenized(body, lease.tokenizer, lease.config.contextLength)
	return answerJson(context, request, answer)
}

async function decode(
	{ catalog, clients, bodies }: ServerContext,
	request: Request,
	read: BodyReader<DetokenizeRequest>,
) {
	using held = bodies.open(clients.of(request))
	const body = await read(request, held)
	using lease = await catalog.acquire(body.model, request.signal)
	const { tokenizer, config } = lease
	return toDetokenized(body.tokens, { tokenizer, vocabSize: config.vocabSize })
}

async function describe({ catalog }: ServerContext, request: Request) {
	const { model } = readQuery(request)
	using lease = await catalog.acquire(model, request.signal)
	return toTokenizerInfo(lease.tokenizer, lease.config.contextLength)
}
