import { type Static, Type } from '@sinclair/typebox'
import { ignored, nullable, optional, tokenIds, wireObject } from '../../wire/fields.ts'
import { modelField } from '../../wire/request-fields.ts'
import { tokenizeCharactersMax } from '../limits.ts'
import { WireMessage } from './chat.ts'

/** Body of POST /tokenize: vLLM's, and llama.cpp's `content`. Exactly one of the three texts is given. */
export const TokenizeRequest = wireObject(
	{
		model: modelField,
		prompt: optional(
			Type.String({ maxLength: tokenizeCharactersMax, description: 'Text to encode.' }),
		),
		content: optional(
			Type.String({
				maxLength: tokenizeCharactersMax,
				description: "llama.cpp's name of `prompt`.",
			}),
		),
		messages: optional(
			Type.Array(WireMessage, {
				minItems: 1,
				description: 'Conversation to encode as chat completions do.',
			}),
		),
		return_token_strs: optional(
			Type.Boolean({ default: false, description: 'Return the text of each token as well.' }),
		),
		add_special_tokens: ignored('Accepted and ignored: nothing is ever added to a prompt.'),
	},
	{ example: { model: 'novels-austen', prompt: 'Once upon a time' } },
)
export type TokenizeRequest = Static<typeof TokenizeRequest>

export const Tokenized = wireObject({
	count: Type.Integer({ minimum: 0 }),
	max_model_len: Type.Integer({ description: 'Context length.' }),
	tokens: tokenIds(),
	token_strs: nullable(Type.Array(Type.String())),
})
export type Tokenized = Static<typeof Tokenized>

/** Body of POST /detokenize. */
export const DetokenizeRequest = wireObject(
	{ model: modelField, tokens: tokenIds({ description: 'Token ids to decode.' }) },
	{ example: { tokens: [1, 2, 3] } },
)
export type DetokenizeRequest = Static<typeof DetokenizeRequest>

export const Detokenized = wireObject({
	prompt: Type.String(),
	content: Type.String({
		maxLength: tokenizeCharactersMax,
		description: 'Same as `prompt`.',
	}),
})
export type Detokenized = Static<typeof Detokenized>
