import { type Static, Type } from '@sinclair/typebox'
import { named, oneOf, optional } from '../../wire/fields.ts'
import { maxTokensDescription, modelField, temperatureField } from '../../wire/request-fields.ts'
import { streamTemperatureDefault, streamTokensDefault, streamTokensMax } from '../limits.ts'
import { drawFields } from './fields.ts'

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const

/** Texts count; all other parts (steps, reasoning, files, tools, data) are skipped. */
const UiPart = named(
	'UiPart',
	Type.Object(
		{ type: Type.String(), text: optional(Type.String()) },
		{ additionalProperties: true },
	),
)

const open = { additionalProperties: true }
const content = Type.Union([Type.String(), Type.Array(UiPart)])
const parts = Type.Array(UiPart)

/**
 * A message of any version of useChat, or a plain {role, content}: one of the two is there, except
 * where an assistant only called a tool.
 */
export const UiMessage = named(
	'UiMessage',
	Type.Union([
		Type.Object({ role: oneOf(roles), content, parts: optional(parts) }, open),
		Type.Object({ role: oneOf(roles), content: optional(content), parts }, open),
		Type.Object(
			{ role: oneOf(['assistant']), content: optional(content), parts: optional(parts) },
			open,
		),
	]),
)
export type UiMessage = Static<typeof UiMessage>

/** Body of POST /api/chat. */
export const ApiChatRequest = named(
	'ApiChatRequest',
	Type.Object(
		{
			messages: Type.Array(UiMessage, {
				minItems: 1,
				description: 'The conversation: `{role, content}`, or UI messages with `parts`.',
			}),
			model: modelField,
			maxTokens: optional(
				Type.Integer({
					minimum: 1,
					default: streamTokensDefault,
					description: maxTokensDescription(streamTokensMax),
				}),
			),
			temperature: temperatureField(streamTemperatureDefault),
			...drawFields,
		},
		{
			additionalProperties: true,
			example: {
				messages: [{ role: 'user', content: 'Once upon a time' }],
				maxTokens: 100,
				temperature: 0.8,
			},
		},
	),
)
export type ApiChatRequest = Static<typeof ApiChatRequest>
