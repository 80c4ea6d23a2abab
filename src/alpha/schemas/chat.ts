import { type Static, Type } from '@sinclair/typebox'
import { streamTemperatureDefault, streamTokensDefault, streamTokensMax } from '../limits.ts'
import {
	maxTokensField,
	modelField,
	optional,
	seedField,
	temperatureField,
	topKField,
} from './fields.ts'

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const

/** Texts count; all other parts (steps, reasoning, files, tools, data) are skipped. */
const UiPart = Type.Object(
	{ type: Type.String(), text: optional(Type.String()) },
	{ additionalProperties: true },
)

/** A message of any version of useChat, or a plain {role, content}. */
export const UiMessage = Type.Object(
	{
		role: Type.Unsafe<(typeof roles)[number]>(
			Type.String({ enum: [...roles], pattern: `^(?:${roles.join('|')})$` }),
		),
		content: optional(Type.Union([Type.String(), Type.Array(UiPart)])),
		parts: optional(Type.Array(UiPart)),
	},
	{ additionalProperties: true },
)
export type UiMessage = Static<typeof UiMessage>

/** Body of POST /api/chat. */
export const ChatRequest = Type.Object(
	{
		messages: Type.Array(UiMessage, {
			minItems: 1,
			description: 'The conversation: `{role, content}`, or UI messages with `parts`.',
		}),
		model: modelField,
		maxTokens: maxTokensField(streamTokensDefault, streamTokensMax),
		temperature: temperatureField(streamTemperatureDefault),
		topk: topKField,
		seed: seedField,
	},
	{
		additionalProperties: true,
		example: {
			messages: [{ role: 'user', content: 'Once upon a time' }],
			maxTokens: 100,
			temperature: 0.8,
		},
	},
)
export type ChatRequest = Static<typeof ChatRequest>
