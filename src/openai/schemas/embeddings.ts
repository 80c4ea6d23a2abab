import { type Static, Type } from '@sinclair/typebox'
import { ignored, named, oneOf, optional, tokenIds, wireObject } from '../../wire/fields.ts'
import { modelField } from '../../wire/request-fields.ts'
import { embeddingInputsMax } from '../limits.ts'

/** Body of POST /v1/embeddings. */
export const EmbeddingsRequest = named(
	'EmbeddingsRequest',
	wireObject(
		{
			model: modelField,
			input: Type.Union(
				[
					Type.String(),
					Type.Array(Type.String(), { minItems: 1, maxItems: embeddingInputsMax }),
					tokenIds({ minItems: 1 }),
					Type.Array(tokenIds({ minItems: 1 }), { minItems: 1, maxItems: embeddingInputsMax }),
				],
				{ description: `A text, up to ${embeddingInputsMax} texts, token ids, or lists of them.` },
			),
			encoding_format: optional(
				oneOf(['float', 'base64'], {
					default: 'float',
					description: 'Numbers, or little-endian 32-bit floats in base64.',
				}),
			),
			dimensions: optional(
				Type.Integer({ minimum: 1, description: "Only the model's own width is possible." }),
			),
			user: ignored(),
		},
		{ example: { model: 'novels-austen', input: 'Once upon a time' } },
	),
)
export type EmbeddingsRequest = Static<typeof EmbeddingsRequest>

const count = Type.Integer({ minimum: 0 })

/** Answer of POST /v1/embeddings. */
export const Embeddings = named(
	'Embeddings',
	wireObject({
		object: oneOf(['list']),
		data: Type.Array(
			wireObject({
				object: oneOf(['embedding']),
				index: count,
				embedding: Type.Union([Type.Array(Type.Number()), Type.String()]),
			}),
		),
		model: Type.String(),
		usage: wireObject({ prompt_tokens: count, total_tokens: count }),
	}),
)
export type Embeddings = Static<typeof Embeddings>
