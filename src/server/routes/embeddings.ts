import { Elysia } from 'elysia'
import { toEmbeddingInputs, toEmbeddings } from '../../openai/embeddings.ts'
import { Embeddings, EmbeddingsRequest } from '../../openai/schemas/embeddings.ts'
import { setIdleTimeout } from '../connection.ts'
import type { ServerDeps } from '../deps.ts'
import { jsonBody } from '../json-body.ts'
import { generationErrors, operation } from '../openapi.ts'

/** POST /v1/embeddings. */
export function embeddings(deps: ServerDeps) {
	const embed = async (body: EmbeddingsRequest, request: Request) => {
		const { signal } = request
		using lease = await deps.catalog.acquire(body.model, signal)
		const { tokenizer, config } = lease
		const inputs = toEmbeddingInputs(body, {
			tokenizer,
			vocabSize: config.vocabSize,
			width: config.nEmbd,
			contextLength: config.contextLength,
		})
		setIdleTimeout(request, 0)
		try {
			const vectors: Float32Array[] = []
			for (const tokenIds of inputs) vectors.push(await lease.embed(tokenIds, signal))
			const tokens = inputs.reduce((sum, tokenIds) => sum + tokenIds.length, 0)
			return toEmbeddings(lease.id, vectors, tokens, body.encoding_format)
		} finally {
			setIdleTimeout(request, deps.limits.stallSeconds)
		}
	}
	const hooks = {
		...jsonBody(EmbeddingsRequest, { bytesMax: deps.limits.bodyBytesMax }),
		...operation({
			tag: 'OpenAI',
			summary: 'Embeddings',
			description:
				'Mean of the final hidden states over the tokens, normalised. The models were not ' +
				'trained for it: good enough for demonstrations.',
			content: { 'application/json': Embeddings },
			errors: generationErrors,
		}),
	}
	return new Elysia({ name: 'embeddings', normalize: false })
		.post('/v1/embeddings', ({ body, request }) => embed(body, request), hooks)
		.post('/embeddings', ({ body, request }) => embed(body, request), hooks)
}
