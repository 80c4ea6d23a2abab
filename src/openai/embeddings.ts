/** Requests and answers of POST /v1/embeddings. */
import { contextLengthExceeded, unsupportedValue } from '../wire/errors.ts'
import type { RequestContext } from '../wire/request-fields.ts'
import { toPrompts } from './completion-request.ts'
import type { Embeddings, EmbeddingsRequest } from './schemas/embeddings.ts'

/** What an embeddings request is read against. */
export interface EmbeddingContext extends Pick<RequestContext, 'tokenizer' | 'vocabSize'> {
	/** Length of the vectors. */
	readonly width: number
	readonly contextLength: number
}

/** Token ids of each input; an empty text is embedded as the start token. */
export async function toEmbeddingInputs(
	{ input, dimensions }: EmbeddingsRequest,
	context: EmbeddingContext,
): Promise<(readonly number[])[]> {
	if (dimensions !== undefined && dimensions !== context.width) {
		throw unsupportedValue('dimensions', `this model's embeddings have ${context.width}`)
	}
	const prompts = await toPrompts(input, { ...context, param: 'input' })
	return prompts.map(({ tokenIds }) => {
		if (tokenIds.length > context.contextLength) {
			throw contextLengthExceeded('input', context.contextLength, tokenIds.length)
		}
		return tokenIds.length === 0 ? [context.tokenizer.startTokenId] : tokenIds
	})
}

/** The answer; vectors get length 1. */
export function toEmbeddings(
	model: string,
	vectors: readonly Float32Array[],
	promptTokens: number,
	format: EmbeddingsRequest['encoding_format'],
): Embeddings {
	return {
		object: 'list',
		data: vectors.map((vector, index) => {
			const unit = normalise(vector)
			return {
				object: 'embedding',
				index,
				embedding: format === 'base64' ? toBase64(unit) : [...unit],
			}
		}),
		model,
		usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
	}
}

/** A zero vector has no direction and stays as it is. */
function normalise(vector: Float32Array): Float32Array {
	const length = Math.hypot(...vector)
	return length === 0 ? vector : vector.map((value) => value / length)
}

/** Our machines are little-endian, as the wire is. */
function toBase64({ buffer, byteOffset, byteLength }: Float32Array): string {
	return new Uint8Array(buffer, byteOffset, byteLength).toBase64()
}
