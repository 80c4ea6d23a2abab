import { Elysia } from 'elysia'
import type { ModelLease } from '../../models/catalog.ts'
import { toEmbeddingInputs, toEmbeddings } from '../../openai/embeddings.ts'
import { Embeddings, EmbeddingsRequest } from '../../openai/schemas/embeddings.ts'
import type { ServerContext } from '../deps.ts'
import { type BodyReader, bodyReader } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'

/** POST /embeddings. */
export function embeddings(context: ServerContext) {
	const read = bodyReader(EmbeddingsRequest, context.limits.bodyBytesMax)
	return new Elysia().post(
		'/embeddings',
		({ request }) => embed(context, request, read),
		operation({
			tag: 'OpenAI',
			id: 'createEmbedding',
			summary: 'Embeddings',
			description:
				'Mean of the final hidden states over the tokens, normalised. The models were not ' +
				'trained for it: good enough for demonstrations.',
			body: EmbeddingsRequest,
			content: { 'application/json': Embeddings },
			errors: generationErrors,
			takesPlace: true,
		}),
	)
}

async function embed(
	{ catalog, connections, clients, bodies, records, metrics }: ServerContext,
	request: Request,
	read: BodyReader<EmbeddingsRequest>,
) {
	const client = clients.of(request)
	using held = bodies.open(client)
	const body = await read(request, held)
	using lease = await catalog.acquire(body.model, request.signal)
	const record = records.of(request)
	record.model = lease.id
	const { tokenizer, config } = lease
	const turn = await held.turn()
	const inputs = await toEmbeddingInputs(body, {
		tokenizer,
		vocabSize: config.vocabSize,
		width: config.nEmbd,
		contextLength: config.contextLength,
	}).finally(() => turn?.[Symbol.dispose]())
	record.queuedAt = performance.now()
	using _places = await lease.enter({ choices: 1, client, signal: request.signal })
	record.placedAt = performance.now()
	const vectors = await connections.withoutIdleTimeout(request, () =>
		vectorsOf(lease, inputs, request.signal),
	)
	const tokens = inputs.reduce((sum, tokenIds) => sum + tokenIds.length, 0)
	record.promptTokens = tokens
	metrics.promptRead(metrics.labelsOf(lease.id), tokens, 0)
	return toEmbeddings(lease.id, vectors, tokens, body.encoding_format)
}

async function vectorsOf(
	lease: ModelLease,
	inputs: readonly (readonly number[])[],
	signal: AbortSignal,
): Promise<Float32Array[]> {
	const vectors: Float32Array[] = []
	for (const tokenIds of inputs) vectors.push(await lease.embed(tokenIds, signal))
	return vectors
}
