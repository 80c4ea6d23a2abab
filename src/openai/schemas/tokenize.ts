import { type Static, Type } from '@sinclair/typebox'
import { boundedText, named, nullable, optional, tokenIds, wireObject } from '../../wire/fields.ts'
import { modelField } from '../../wire/request-fields.ts'
import { tokenizeCharactersMax } from '../limits.ts'
import { WireMessage } from './chat.ts'
import { chatTemplateFields } from './chat-template.ts'
import { toolsField } from './tools.ts'

/** Body of POST /tokenize: vLLM's, and llama.cpp's `content`. Exactly one of the three texts is given. */
export const TokenizeRequest = named(
	'TokenizeRequest',
	wireObject(
		{
			model: modelField,
			prompt: optional(
				boundedText({ maxLength: tokenizeCharactersMax, description: 'Text to encode.' }),
			),
			content: optional(
				boundedText({
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
			...chatTemplateFields,
			tools: toolsField,
			return_token_strs: optional(
				Type.Boolean({ default: false, description: 'Return the text of each token as well.' }),
			),
			add_special_tokens: optional(
				Type.Boolean({
					default: true,
					description: 'Put first what the model wants there, if anything.',
				}),
			),
		},
		{ example: { model: 'novels-austen', prompt: 'Once upon a time' } },
	),
)
export type TokenizeRequest = Static<typeof TokenizeRequest>

export const Tokenized = named(
	'Tokenized',
	wireObject({
		count: Type.Integer({ minimum: 0 }),
		max_model_len: Type.Integer({ description: 'Context length.' }),
		tokens: tokenIds(),
		token_strs: nullable(Type.Array(Type.String())),
	}),
)
export type Tokenized = Static<typeof Tokenized>

/** Body of POST /detokenize. */
export const DetokenizeRequest = named(
	'DetokenizeRequest',
	wireObject(
		{ model: modelField, tokens: tokenIds({ description: 'Token ids to decode.' }) },
		{ example: { model: 'novels-austen', tokens: [1, 2, 3] } },
	),
)
export type DetokenizeRequest = Static<typeof DetokenizeRequest>

export const Detokenized = named(
	'Detokenized',
	wireObject({
		prompt: Type.String(),
		content: Type.String({ description: 'Same as `prompt`.' }),
	}),
)
export type Detokenized = Static<typeof Detokenized>

/** Query of GET /tokenizer_info. */
export const TokenizerInfoQuery = Type.Object({ model: modelField }, { additionalProperties: true })

export const TokenizerInfo = named(
	'TokenizerInfo',
	wireObject({
		tokenizer_class: Type.String({ example: 'BpeTokenizer' }),
		bos_token: nullable(Type.String({ description: 'Put before every prompt.' })),
		eos_token: nullable(Type.String({ description: 'Ends every text.' })),
		pad_token: nullable(Type.String()),
		unk_token: nullable(Type.String()),
		additional_special_tokens: Type.Array(Type.String(), {
			description: 'Texts that are encoded as one token.',
		}),
		add_bos_token: Type.Boolean(),
		add_eos_token: Type.Boolean(),
		model_max_length: Type.Integer({ description: 'Context length in tokens.' }),
		chat_template: nullable(
			Type.String({ description: 'How the model reads a conversation, in Jinja.' }),
		),
	}),
)
export type TokenizerInfo = Static<typeof TokenizerInfo>
