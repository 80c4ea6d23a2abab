import { type Static, Type } from '@sinclair/typebox'
import {
	ignored,
	named,
	nullable,
	oneOf,
	optional,
	orderedObject,
	refusedText,
	tokenIds,
	wireObject,
} from '../../wire/fields.ts'
import { modelField, temperatureField } from '../../wire/request-fields.ts'
import {
	choicesMax,
	legacyMaxTokensDefault,
	legacyTemperatureDefault,
	promptsMax,
	topLogprobsMax,
} from '../limits.ts'
import { answerHead, Usage } from './answer.ts'
import { constraintFields, responseFormatField } from './format.ts'
import { PromptLogprobs, promptLogprobsField } from './prompt-logprobs.ts'
import {
	maxTokensField,
	returnTokenIdsField,
	samplingFields,
	stoppingFields,
	streamFields,
} from './sampling.ts'

/** Body of POST /v1/completions. */
export const CompletionRequest = named(
	'CompletionRequest',
	wireObject(
		{
			model: modelField,
			prompt: Type.Union(
				[
					Type.String(),
					Type.Array(Type.String(), { minItems: 1, maxItems: promptsMax }),
					tokenIds({ minItems: 1 }),
					Type.Array(tokenIds(), { minItems: 1, maxItems: promptsMax }),
				],
				{
					description: `A text, up to ${promptsMax} texts, token ids, or lists of token ids.`,
					example: 'Once upon a time',
				},
			),
			max_tokens: maxTokensField(0, {
				default: legacyMaxTokensDefault,
				'x-null': -1,
				description: 'null is the same as -1. With 0 and `echo` the prompt is only scored.',
			}),
			max_completion_tokens: maxTokensField(0, { description: '`max_tokens` wins over it.' }),
			temperature: temperatureField(legacyTemperatureDefault),
			...samplingFields,
			...stoppingFields,
			...streamFields,
			response_format: responseFormatField,
			...constraintFields,
			best_of: optional(
				Type.Integer({
					minimum: 1,
					maximum: choicesMax,
					description:
						'Generate this many and return the `n` with the best mean log-probability. ' +
						'At least `n`, and not with `stream`.',
				}),
			),
			echo: optional(
				Type.Boolean({ default: false, description: 'The text starts with the prompt.' }),
			),
			logprobs: optional(
				Type.Integer({
					minimum: 0,
					maximum: topLogprobsMax,
					description: 'Report log-probabilities with this many alternatives per token.',
				}),
			),
			prompt_logprobs: promptLogprobsField,
			return_token_ids: returnTokenIdsField,
			suffix: refusedText('Refused unless empty: the models cannot fill in.'),
			user: ignored(),
		},
		{ example: { model: 'novels-austen', prompt: 'Once upon a time', max_tokens: 100 } },
	),
)
export type CompletionRequest = Static<typeof CompletionRequest>

const logprob = Type.Number({ maximum: 0 })

/** Arrays with one entry per token; the first token of an echoed prompt has no probability. */
export const CompletionLogprobs = named(
	'CompletionLogprobs',
	wireObject({
		tokens: Type.Array(Type.String()),
		token_logprobs: Type.Array(nullable(logprob)),
		top_logprobs: Type.Array(nullable(orderedObject(logprob))),
		text_offset: Type.Array(Type.Integer({ minimum: 0 })),
	}),
)
export type CompletionLogprobs = Static<typeof CompletionLogprobs>

const head = answerHead('text_completion', 'cmpl-f018175cb9a64d0c')
const choiceHead = {
	text: Type.String(),
	index: Type.Integer(),
	logprobs: nullable(CompletionLogprobs),
}
const finishReason = oneOf(['stop', 'length'])
const idFields = {
	token_ids: Type.Optional(tokenIds()),
	prompt_token_ids: Type.Optional(tokenIds()),
}

/** Answer of POST /v1/completions without a stream. */
export const Completion = named(
	'Completion',
	wireObject({
		...head,
		choices: Type.Array(
			wireObject({
				...choiceHead,
				finish_reason: finishReason,
				prompt_logprobs: Type.Optional(PromptLogprobs),
				...idFields,
			}),
		),
		usage: Usage,
	}),
)
export type Completion = Static<typeof Completion>

/** One event of a streamed answer. */
export const CompletionChunk = named(
	'CompletionChunk',
	wireObject({
		...head,
		choices: Type.Array(
			wireObject({ ...choiceHead, finish_reason: nullable(finishReason), ...idFields }),
		),
		usage: Type.Optional(nullable(Usage)),
	}),
)
export type CompletionChunk = Static<typeof CompletionChunk>
