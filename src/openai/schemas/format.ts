/** Fields that hold a text to a format, in the spellings of every server whose clients come here. */
import { type Static, type TProperties, Type } from '@sinclair/typebox'
import { ignored, named, oneOf, optional, wireObject } from '../../wire/fields.ts'

/** A JSON Schema, or in some dialects its JSON text; an empty value restricts nothing. */
function jsonSchema(description: string) {
	return Type.Optional(
		Type.Unknown({ description: `${description} A JSON Schema; empty: no restriction.` }),
	)
}

const choice = optional(
	Type.Array(Type.String({ minLength: 1 }), {
		description: 'The text is one of these; empty: no restriction.',
	}),
)

const regex = optional(
	Type.String({
		description: 'The whole text matches this regular expression; empty: no restriction.',
	}),
)

const formatType = optional(oneOf(['text', 'json_object', 'json_schema'], { unsupported: true }))

/** `fields`: what else the dialect has. */
function formatObject<T extends TProperties>(fields: T) {
	return optional(
		wireObject(
			{
				type: formatType,
				schema: jsonSchema('Of `json_schema`, and of `json_object` in some.'),
				...fields,
			},
			{
				description:
					'`json_object` and `json_schema` constrain what can be generated: text that ends with ' +
					'`stop` is valid. Keywords beyond the supported subset of JSON Schema are refused.',
			},
		),
	)
}

/** Of /v1/responses: without the wrapper that chats have. */
export const TextFormat = named(
	'TextFormat',
	formatObject({
		name: optional(Type.String()),
		strict: optional(Type.Boolean()),
	}),
)

/** Of chats and completions. */
export const responseFormatField = named(
	'ResponseFormat',
	formatObject({
		json_schema: optional(
			wireObject({
				name: optional(Type.String()),
				schema: jsonSchema('What the text is valid against.'),
				strict: optional(Type.Boolean()),
			}),
		),
	}),
)

const refusedUnlessEmpty = ignored('Refused unless empty: not supported by this server.')

/** What llama.cpp, vLLM, SGLang and Ollama call it. At most one field of all asks for a format. */
export const constraintFields = {
	json_schema: jsonSchema('As llama.cpp has it.'),
	format: jsonSchema('As Ollama has it; also `"json"`.'),
	guided_json: jsonSchema('As vLLM had it.'),
	guided_choice: choice,
	guided_regex: regex,
	regex,
	structured_outputs: optional(
		wireObject(
			{
				json: jsonSchema('What the text is valid against.'),
				choice,
				regex,
				json_object: optional(Type.Boolean({ description: 'Any JSON object.' })),
				grammar: refusedUnlessEmpty,
				structural_tag: refusedUnlessEmpty,
			},
			{ description: 'As vLLM has it.' },
		),
	),
	guided_grammar: refusedUnlessEmpty,
	guided_whitespace_pattern: refusedUnlessEmpty,
	structural_tag: refusedUnlessEmpty,
	grammar: refusedUnlessEmpty,
	ebnf: refusedUnlessEmpty,
	bad_words: refusedUnlessEmpty,
	use_beam_search: refusedUnlessEmpty,
	allowed_token_ids: refusedUnlessEmpty,
}

const ConstraintObject = Type.Object(constraintFields)
export type ConstraintFields = Static<typeof ConstraintObject>
export type ResponseFormat = Static<typeof responseFormatField>
export type TextFormat = Static<typeof TextFormat>
