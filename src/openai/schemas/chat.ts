import { type Static, Type } from '@sinclair/typebox'
import {
	ignored,
	named,
	nullable,
	oneOf,
	optional,
	refused,
	tokenIds,
	wireObject,
} from '../../wire/fields.ts'
import { modelField, temperatureField } from '../../wire/request-fields.ts'
import { chatMaxTokensDefault, chatTemperatureDefault, topLogprobsMax } from '../limits.ts'
import { answerHead, Usage } from './answer.ts'
import { chatTemplateFields } from './chat-template.ts'
import { constraintFields, responseFormatField } from './format.ts'
import { PromptLogprobs, promptLogprobsField } from './prompt-logprobs.ts'
import {
	maxTokensField,
	returnTokenIdsField,
	samplingFields,
	stoppingFields,
	streamFields,
} from './sampling.ts'
import {
	ChatToolChoice,
	parallelToolCallsField,
	ToolCall,
	ToolCallDelta,
	toolsField,
} from './tools.ts'

/** A piece of content; this server reads text only. */
const TextPart = named(
	'TextPart',
	wireObject({
		type: oneOf(['text', 'input_text', 'output_text'], { unsupported: true }),
		text: Type.String(),
	}),
)

const content = Type.Union([Type.String(), Type.Array(TextPart)], {
	description: 'Text, or parts whose texts are joined.',
})

/** What a model's own template may read beside role and content; other models do not. */
const messageDetails = {
	name: optional(Type.String()),
	tool_call_id: optional(Type.String({ description: 'The call whose result this is.' })),
	tool_calls: optional(Type.Array(Type.Unknown(), { description: 'Calls of an earlier answer.' })),
	reasoning_content: optional(Type.String()),
}

/** Only an assistant may have no content: then it called a tool. */
export const WireMessage = named(
	'ChatRequestMessage',
	Type.Union([
		named(
			'SpokenMessage',
			wireObject({
				role: oneOf(['system', 'developer', 'user', 'tool', 'function']),
				content,
				...messageDetails,
			}),
		),
		named(
			'AssistantMessage',
			wireObject({ role: oneOf(['assistant']), content: optional(content), ...messageDetails }),
		),
	]),
)
export type WireMessage = Static<typeof WireMessage>

/** Body of POST /v1/chat/completions. */
export const ChatCompletionRequest = named(
	'ChatCompletionRequest',
	wireObject(
		{
			model: modelField,
			messages: Type.Array(WireMessage, { minItems: 1, description: 'The conversation so far.' }),
			max_completion_tokens: maxTokensField(1, { description: 'Wins over `max_tokens`.' }),
			max_tokens: maxTokensField(1, { default: chatMaxTokensDefault }),
			temperature: temperatureField(chatTemperatureDefault),
			...samplingFields,
			...stoppingFields,
			...streamFields,
			response_format: responseFormatField,
			...constraintFields,
			...chatTemplateFields,
			logprobs: optional(
				Type.Boolean({ default: false, description: 'Report log-probabilities of the tokens.' }),
			),
			top_logprobs: optional(
				Type.Integer({
					minimum: 0,
					maximum: topLogprobsMax,
					default: 0,
					description: 'Alternatives to report per token; needs `logprobs: true`.',
				}),
			),
			prompt_logprobs: promptLogprobsField,
			return_token_ids: returnTokenIdsField,
			modalities: optional(
				Type.Array(oneOf(['text'], { unsupported: true }), { description: 'Only `text`.' }),
			),
			tools: toolsField,
			tool_choice: optional(ChatToolChoice),
			parallel_tool_calls: parallelToolCallsField,
			function_call: optional(
				oneOf(['none', 'auto'], {
					unsupported: true,
					instead: '`tools` with `tool_choice`',
					description: 'Older than `tool_choice`, which forces calls.',
				}),
			),
			audio: refused('The models have no audio.'),
			user: ignored(),
			metadata: ignored(),
		},
		{
			example: {
				model: 'novels-austen',
				messages: [{ role: 'user', content: 'Once upon a time' }],
				max_tokens: 100,
				temperature: 0.7,
			},
		},
	),
)
export type ChatCompletionRequest = Static<typeof ChatCompletionRequest>

const TopLogprob = named(
	'TopLogprob',
	wireObject({
		token: Type.String(),
		logprob: Type.Number({ maximum: 0 }),
		bytes: Type.Array(Type.Integer({ minimum: 0, maximum: 255 })),
	}),
)

/** Log-probability of one token, with alternatives. */
export const ChatLogprob = named(
	'TokenLogprob',
	wireObject({
		...TopLogprob.properties,
		top_logprobs: Type.Array(TopLogprob),
	}),
)
export type ChatLogprob = Static<typeof ChatLogprob>

/** Log-probabilities of a choice, one entry per token. */
const ChatLogprobs = named(
	'ChatLogprobs',
	nullable(
		wireObject({ content: Type.Array(ChatLogprob), refusal: nullable(Type.Array(ChatLogprob)) }),
	),
)

const finishReason = oneOf(['stop', 'length', 'tool_calls'])

/** The message of a choice: a text, or calls. */
export const ChatMessage = named(
	'ChatMessage',
	wireObject({
		role: oneOf(['assistant']),
		content: nullable(Type.String()),
		refusal: nullable(Type.String()),
		tool_calls: Type.Optional(Type.Array(ToolCall)),
	}),
)
export type ChatMessage = Static<typeof ChatMessage>

/** Answer of POST /v1/chat/completions without a stream. */
export const ChatCompletion = named(
	'ChatCompletion',
	wireObject({
		...answerHead('chat.completion', 'chatcmpl-f018175cb9a64d0c'),
		choices: Type.Array(
			wireObject({
				index: Type.Integer(),
				message: ChatMessage,
				logprobs: ChatLogprobs,
				finish_reason: finishReason,
				token_ids: Type.Optional(tokenIds()),
			}),
		),
		prompt_logprobs: Type.Optional(PromptLogprobs),
		prompt_token_ids: Type.Optional(tokenIds()),
		usage: Usage,
	}),
)
export type ChatCompletion = Static<typeof ChatCompletion>

/** One event of a streamed answer. */
export const ChatCompletionChunk = named(
	'ChatCompletionChunk',
	wireObject({
		...answerHead('chat.completion.chunk', 'chatcmpl-f018175cb9a64d0c'),
		choices: Type.Array(
			wireObject({
				index: Type.Integer(),
				delta: wireObject({
					role: Type.Optional(oneOf(['assistant'])),
					content: Type.Optional(nullable(Type.String())),
					tool_calls: Type.Optional(Type.Array(ToolCallDelta)),
				}),
				logprobs: ChatLogprobs,
				finish_reason: nullable(finishReason),
				token_ids: Type.Optional(tokenIds()),
			}),
		),
		prompt_token_ids: Type.Optional(tokenIds()),
		usage: Type.Optional(nullable(Usage)),
	}),
)
export type ChatCompletionChunk = Static<typeof ChatCompletionChunk>
