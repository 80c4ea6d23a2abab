import { type Static, Type } from '@sinclair/typebox'
import {
	boundedText,
	ignored,
	named,
	nullable,
	oneOf,
	optional,
	refused,
	wireObject,
} from '../../wire/fields.ts'
import { modelField, temperatureField } from '../../wire/request-fields.ts'
import {
	chatMaxTokensDefault,
	chatTemperatureDefault,
	instructionsCharactersMax,
	topLogprobsMax,
} from '../limits.ts'
import { ChatLogprob } from './chat.ts'
import { constraintFields, responseFormatField, TextFormat } from './format.ts'
import { maxTokensField, samplingFields } from './sampling.ts'
import {
	FunctionCallItem,
	parallelToolCallsField,
	ResponseToolChoice,
	toolsField,
} from './tools.ts'

const InputText = named(
	'InputText',
	wireObject({
		type: oneOf(['input_text', 'output_text', 'text'], { unsupported: true }),
		text: Type.String(),
	}),
)

const content = Type.Union([Type.String(), Type.Array(InputText)])

/** What a conversation consists of, as earlier answers and the client's own functions wrote it. */
const InputItem = named(
	'InputItem',
	Type.Union([
		named(
			'InputMessage',
			wireObject({
				type: optional(oneOf(['message'], { unsupported: true })),
				role: oneOf(['system', 'developer', 'user', 'assistant']),
				content,
			}),
		),
		named(
			'InputFunctionCall',
			wireObject({
				type: oneOf(['function_call'], { unsupported: true }),
				call_id: Type.String(),
				name: Type.String(),
				arguments: Type.String(),
			}),
		),
		named(
			'InputFunctionCallOutput',
			wireObject({
				type: oneOf(['function_call_output'], { unsupported: true }),
				call_id: optional(Type.String()),
				output: content,
			}),
		),
		named('InputReasoning', wireObject({ type: oneOf(['reasoning'], { unsupported: true }) })),
		named(
			'InputReference',
			wireObject({
				type: optional(oneOf(['item_reference'], { unsupported: true })),
				id: Type.String({ description: 'Refused: nothing is stored, send the item itself.' }),
				role: Type.Optional(Type.Never()),
			}),
		),
	]),
)
export type InputItem = Static<typeof InputItem>

const noState = 'The server keeps no state.'

/** Body of POST /v1/responses. */
export const ResponsesRequest = named(
	'ResponsesRequest',
	wireObject(
		{
			model: modelField,
			input: Type.Union([Type.String(), Type.Array(InputItem, { minItems: 1 })], {
				description: 'What the user says, or the conversation so far.',
			}),
			instructions: optional(
				boundedText({
					maxLength: instructionsCharactersMax,
					description: 'A system message before the input.',
				}),
			),
			max_output_tokens: maxTokensField(1, { default: chatMaxTokensDefault }),
			temperature: temperatureField(chatTemperatureDefault),
			...samplingFields,
			response_format: responseFormatField,
			...constraintFields,
			top_logprobs: optional(
				Type.Integer({
					minimum: 0,
					maximum: topLogprobsMax,
					description: 'Report log-probabilities with this many alternatives per token.',
				}),
			),
			include: optional(
				Type.Array(Type.String(), {
					description: 'Only `message.output_text.logprobs` has an effect.',
				}),
			),
			text: optional(
				wireObject(
					{ format: TextFormat },
					{ description: '`format` constrains the text, as `response_format` of chat does.' },
				),
			),
			truncation: optional(
				oneOf(['auto', 'disabled'], {
					default: 'auto',
					description: '`disabled`: a prompt longer than the context is refused.',
				}),
			),
			stream: optional(
				Type.Boolean({ default: false, description: 'Answer with server-sent events.' }),
			),
			previous_response_id: refused(noState),
			conversation: refused(noState),
			prompt: refused('The server has no stored prompts.'),
			background: optional(
				Type.Unsafe<false>(Type.Boolean({ enum: [false], description: noState })),
			),
			tools: toolsField,
			tool_choice: optional(ResponseToolChoice),
			parallel_tool_calls: parallelToolCallsField,
			store: ignored('Accepted and ignored: nothing is stored.'),
			metadata: optional(
				Type.Unsafe<Record<string, string>>(
					Type.Object({}, { additionalProperties: true, description: 'Returned as it came.' }),
				),
			),
			user: ignored(),
		},
		{ example: { model: 'novels-austen', input: 'Once upon a time', max_output_tokens: 100 } },
	),
)
export type ResponsesRequest = Static<typeof ResponsesRequest>

const status = oneOf(['completed', 'incomplete', 'in_progress'])

export const OutputText = named(
	'OutputText',
	wireObject({
		type: oneOf(['output_text']),
		text: Type.String(),
		annotations: Type.Unsafe<never[]>(Type.Array(Type.Unknown(), { maxItems: 0 })),
		logprobs: Type.Array(ChatLogprob),
	}),
)
export type OutputText = Static<typeof OutputText>

export const OutputMessage = named(
	'OutputMessage',
	wireObject({
		id: Type.String(),
		type: oneOf(['message']),
		role: oneOf(['assistant']),
		status,
		content: Type.Array(OutputText),
	}),
)
export type OutputMessage = Static<typeof OutputMessage>

const OutputItem = named('OutputItem', Type.Union([OutputMessage, FunctionCallItem]))
export type OutputItem = Static<typeof OutputItem>

const count = Type.Integer({ minimum: 0 })

export const ResponseUsage = named(
	'ResponseUsage',
	wireObject({
		input_tokens: count,
		input_tokens_details: wireObject({ cached_tokens: count, cache_write_tokens: count }),
		output_tokens: count,
		output_tokens_details: wireObject({ reasoning_tokens: count }),
		total_tokens: count,
	}),
)
export type ResponseUsage = Static<typeof ResponseUsage>

const AnyObject = Type.Unsafe<object>(Type.Object({}, { additionalProperties: true }))

/** What the type of the answer has and this server does not. */
const alwaysNull = Type.Null()

/** Answer of POST /v1/responses. */
export const ResponseSchema = named(
	'ResponseObject',
	wireObject({
		id: Type.String({ example: 'resp_f018175cb9a64d0c' }),
		object: oneOf(['response']),
		created_at: Type.Integer({ description: 'Unix seconds.' }),
		completed_at: nullable(Type.Integer()),
		status,
		error: alwaysNull,
		access_programs: alwaysNull,
		incomplete_details: nullable(wireObject({ reason: oneOf(['max_output_tokens']) })),
		instructions: nullable(Type.String()),
		max_output_tokens: Type.Integer(),
		metadata: Type.Unsafe<Record<string, string>>(AnyObject),
		model: Type.String({ description: 'The model that answered.' }),
		output: Type.Array(OutputItem),
		parallel_tool_calls: Type.Boolean(),
		previous_response_id: alwaysNull,
		store: Type.Boolean(),
		temperature: Type.Number(),
		text: wireObject({ format: AnyObject }),
		tool_choice: ResponseToolChoice,
		tools: Type.Array(Type.Unknown()),
		top_logprobs: Type.Integer(),
		top_p: Type.Number(),
		truncation: oneOf(['auto', 'disabled']),
		usage: nullable(ResponseUsage),
	}),
)
export type ResponseSchema = Static<typeof ResponseSchema>

/** One event of a streamed response. */
export const ResponseEvent = named(
	'ResponseEvent',
	wireObject({
		type: Type.String({ example: 'response.output_text.delta' }),
		sequence_number: count,
	}),
)
