import { type Static, Type } from '@sinclair/typebox'
import { ignored, oneOf, optional, refusedText, tokenIds, wireObject } from '../../wire/fields.ts'
import {
	choicesMax,
	legacyLogprobsMax,
	legacyMaxTokensDefault,
	legacyTemperatureDefault,
	promptsMax,
} from '../limits.ts'
import {
	maxTokensDescription,
	modelField,
	refusedFields,
	samplingFields,
	stoppingFields,
	streamFields,
	temperatureField,
} from './sampling.ts'
import { UsageSchema } from './usage.ts'

/** Body of POST /v1/completions. */
export const CompletionRequest = wireObject(
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
		max_tokens: optional(
			Type.Integer({
				minimum: 0,
				default: legacyMaxTokensDefault,
				description: `${maxTokensDescription} With 0 and \`echo\` the prompt is only scored.`,
			}),
		),
		max_completion_tokens: optional(
			Type.Integer({ minimum: 0, description: 'Same as `max_tokens`, which wins over it.' }),
		),
		temperature: temperatureField(legacyTemperatureDefault),
		...samplingFields,
		...stoppingFields,
		...streamFields,
		...refusedFields,
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
				maximum: legacyLogprobsMax,
				description: 'Report log-probabilities with this many alternatives per token.',
			}),
		),
		suffix: refusedText('Refused unless empty: the models cannot fill in.'),
		response_format: optional(
			wireObject(
				{ type: oneOf(['text'], { unsupported: true }) },
				{ description: 'Only `text`: chat completions can be held to a format.' },
			),
		),
		user: ignored(),
	},
	{ example: { model: 'novels-austen', prompt: 'Once upon a time', max_tokens: 100 } },
)
export type CompletionRequest = Static<typeof CompletionRequest>

const logprob = Type.Number({ maximum: 0 })

const CompletionChoice = wireObject({
	text: Type.String(),
	index: Type.Integer(),
	logprobs: optional(
		wireObject({
			tokens: Type.Array(Type.String()),
			token_logprobs: Type.Array(Type.Number({ maximum: 0, nullable: true })),
			top_logprobs: Type.Array(Type.Object({}, { additionalProperties: logprob, nullable: true })),
			text_offset: Type.Array(Type.Integer({ minimum: 0 })),
		}),
	),
	finish_reason: optional(oneOf(['stop', 'length'])),
})

/** Answer of POST /v1/completions, whole or one event of a stream. */
export const Completion = wireObject({
	id: Type.String({ example: 'cmpl-f018175cb9a64d0c' }),
	object: oneOf(['text_completion']),
	created: Type.Integer({ description: 'Unix seconds.' }),
	model: Type.String({ description: 'The model that answered.' }),
	system_fingerprint: Type.String(),
	choices: Type.Array(CompletionChoice),
	usage: optional(UsageSchema),
})
