import { type Static, Type } from '@sinclair/typebox'
import { optional } from '../../wire/fields.ts'
import { streamTemperatureDefault, streamTokensDefault, streamTokensMax } from '../limits.ts'
import { maxTokensField, modelField, seedField, temperatureField, topKField } from './fields.ts'

const roles = ['system', 'developer', 'user', 'assistant', 'tool', 'function'] as const

/** Texts count; all other parts (steps, reasoning, files, tools, data) are skipped. */
const UiPart = Type.Object(
	{ type: Type.String(), text: optional(Type.String()) },
	{ additionalProperties: true },
)

function roleOf<const T extends string>(names: readonly T[]) {
	const pattern = `^(?:${names.join('|')})$`
	return Type.Unsafe<T>(Type.String({ enum: [...names], pattern }))
}

const open = { additionalProperties: true }
const content = Type.Union([Type.String(), Type.Array(UiPart)])
const parts = Type.Array(UiPart)

/**
 * A message of any version of useChat, or a plain {role, content}: one of the two is there, except
 * where an assistant only called a tool.
 */
export const UiMessage = Type.Union([
	Type.Object({ role: roleOf(roles), content, parts: optional(parts) }, open),
	Type.Object({ role: roleOf(roles), content: optional(content), parts }, open),
	Type.Object(
		{ role: roleOf(['assistant']), content: optional(content), parts: optional(parts) },
		open,
	),
])
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
