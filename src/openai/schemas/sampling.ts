import { type Static, Type } from '@sinclair/typebox'
import { oneOf, optional, refused, refusedText, wireObject } from '../../wire/fields.ts'
import {
	choicesMax,
	completionTokensMax,
	logitBiasEntriesMax,
	logitBiasMax,
	stopSequencesMax,
	stopTokenIdsMax,
	topKDefault,
} from '../limits.ts'

/** Id of the model; the same field everywhere. */
export const modelField = optional(
	Type.String({
		description:
			'Model id from /v1/models; `name@step` asks for an older checkpoint. ' +
			'Default: the first model of the list.',
		example: 'novels-austen',
	}),
)

export function temperatureField(defaultValue: number) {
	return optional(
		Type.Number({
			minimum: 0,
			maximum: 2,
			default: defaultValue,
			description: 'Sampling temperature; 0 always takes the most likely token.',
		}),
	)
}

export const topPField = optional(
	Type.Number({
		minimum: 0,
		maximum: 1,
		default: 1,
		description: 'Nucleus sampling: keep the smallest set of tokens with this probability mass.',
	}),
)

export const maxTokensDescription = `Most tokens to generate; more than ${completionTokensMax} counts as ${completionTokensMax}.`

/** Fields with which any generating endpoint of /v1 shapes the draw. */
export const samplingFields = {
	top_p: topPField,
	top_k: optional(
		Type.Integer({
			minimum: -1,
			maximum: 2 ** 31 - 1,
			default: topKDefault,
			description: 'Keep the k most likely tokens; 0 and -1 switch it off.',
		}),
	),
	min_p: optional(
		Type.Number({
			minimum: 0,
			maximum: 1,
			default: 0,
			description: 'Keep tokens with at least this share of the most likely one.',
		}),
	),
	seed: optional(
		Type.Integer({
			minimum: Number.MIN_SAFE_INTEGER,
			maximum: Number.MAX_SAFE_INTEGER,
			description: 'Same seed and same request give the same text. Default: random.',
			example: 42,
		}),
	),
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

const notHere = refused('Refused: not supported by this server.')

/** What vLLM and llama.cpp understand and this server does not: without it the answer is another one. */
export const refusedFields = {
	guided_json: refused('Refused: chat completions can be held to a schema by `response_format`.'),
	guided_regex: notHere,
	guided_choice: notHere,
	guided_grammar: notHere,
	structured_outputs: notHere,
	grammar: refusedText('Refused unless empty: not supported by this server.'),
	allowed_token_ids: notHere,
	prompt_logprobs: refused('Refused: completions report them with `echo` and `logprobs`.'),
}

const SamplingObject = Type.Object(samplingFields)
export type SamplingFields = Static<typeof SamplingObject>

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
		Type.Union([Type.String(), Type.Array(Type.String(), { maxItems: stopSequencesMax })], {
			description: `Up to ${stopSequencesMax} texts before which a choice ends.`,
			example: ['\n\n'],
		}),
	),
	stop_token_ids: optional(
		Type.Array(Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }), {
			maxItems: stopTokenIdsMax,
			description: 'Token ids that end a choice.',
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
