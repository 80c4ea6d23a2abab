import { type Static, Type } from '@sinclair/typebox'
import { boundedText, oneOf, optional, tokenIds, wireObject } from '../../wire/fields.ts'
import { completionTokensMax } from '../../wire/limits.ts'
import { maxTokensDescription, seedField, topKField, topPField } from '../../wire/request-fields.ts'
import {
	choicesMax,
	logitBiasEntriesMax,
	logitBiasMax,
	stopCharactersMax,
	stopSequencesMax,
	stopTokenIdsMax,
} from '../limits.ts'

/** Most tokens to generate, from `minimum` on; -1 is as many as allowed. */
export function maxTokensField(
	minimum: 0 | 1,
	{ description = '', ...options }: { description?: string; default?: number; 'x-null'?: -1 } = {},
) {
	const asManyAsAllowed = Type.Integer({ minimum: -1, maximum: -1 })
	const meaning = `${maxTokensDescription(completionTokensMax)} So does -1. ${description}`.trim()
	return optional(
		Type.Union([Type.Integer({ minimum }), asManyAsAllowed], { ...options, description: meaning }),
	)
}

/** Fields with which any generating endpoint of /v1 shapes the draw. */
export const samplingFields = {
	top_p: topPField,
	top_k: topKField(-1),
	min_p: optional(
		Type.Number({
			minimum: 0,
			maximum: 1,
			default: 0,
			description: 'Keep tokens with at least this share of the most likely one.',
		}),
	),
	seed: seedField,
	presence_penalty: optional(
		Type.Number({
			minimum: -2,
			maximum: 2,
			default: 0,
			description: 'Subtracted once from the logit of each token already generated.',
		}),
	),
	frequency_penalty: optional(
		Type.Number({
			minimum: -2,
			maximum: 2,
			default: 0,
			description: 'Subtracted from the logit of a token for each time it was generated.',
		}),
	),
	repetition_penalty: optional(
		Type.Number({
			minimum: 0.01,
			maximum: 100,
			default: 1,
			description: 'Makes tokens of the prompt and of the text so far less likely; 1 is off.',
		}),
	),
	repeat_penalty: optional(
		Type.Number({ minimum: 0.01, maximum: 100, description: 'Alias of `repetition_penalty`.' }),
	),
	logit_bias: optional(
		Type.Unsafe<Record<string, number>>(
			Type.Object(
				{},
				{
					maxProperties: logitBiasEntriesMax,
					additionalProperties: Type.Number({ minimum: -logitBiasMax, maximum: logitBiasMax }),
					description: 'Token id → value added to its logit.',
					example: { '50': -100 },
				},
			),
		),
	),
}

const SamplingObject = Type.Object(samplingFields)
export type SamplingFields = Static<typeof SamplingObject>

const stopText = boundedText({ maxLength: stopCharactersMax })

/** Fields that say when a choice ends, and how many there are. */
export const stoppingFields = {
	n: optional(
		Type.Integer({
			minimum: 1,
			maximum: choicesMax,
			default: 1,
			description: 'Number of independent choices.',
		}),
	),
	stop: optional(
		Type.Union([stopText, Type.Array(stopText, { maxItems: stopSequencesMax })], {
			description: `Up to ${stopSequencesMax} texts of up to ${stopCharactersMax} characters before which a choice ends.`,
			example: ['\n\n'],
		}),
	),
	stop_token_ids: optional(
		tokenIds({
			maxItems: stopTokenIdsMax,
			description: `Up to ${stopTokenIdsMax} token ids that end a choice.`,
		}),
	),
	include_stop_str_in_output: optional(
		Type.Boolean({ default: false, description: 'Keep the stop text at the end of the choice.' }),
	),
	min_tokens: optional(
		Type.Integer({
			minimum: 0,
			maximum: completionTokensMax,
			default: 0,
			description: 'No stop of any kind before this many tokens.',
		}),
	),
	ignore_eos: optional(
		Type.Boolean({ default: false, description: "Generate past the model's end-of-text token." }),
	),
	truncation: optional(
		oneOf(['auto', 'disabled'], {
			default: 'auto',
			description:
				'`auto`: a prompt longer than the context keeps its end, and the window rolls on. ' +
				'`disabled`: such a prompt is refused, and generation ends with the context.',
		}),
	),
}

const StoppingObject = Type.Object(stoppingFields)
export type StoppingFields = Static<typeof StoppingObject>

/** Fields that ask for a stream. */
export const streamFields = {
	stream: optional(
		Type.Boolean({ default: false, description: 'Answer with server-sent events.' }),
	),
	stream_options: optional(
		wireObject(
			{
				include_usage: optional(
					Type.Boolean({
						default: false,
						description:
							'Send usage in a last chunk of its own, with empty `choices`. ' +
							'Otherwise the last finish chunk carries it.',
					}),
				),
			},
			{ description: 'Only with `stream: true`.' },
		),
	),
}

/** vLLM's way to ask for the ids of all tokens. */
export const returnTokenIdsField = optional(
	Type.Boolean({
		default: false,
		description: 'Report `token_ids` of each choice and `prompt_token_ids`.',
	}),
)
