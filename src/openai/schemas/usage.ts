import { type Static, Type } from '@sinclair/typebox'
import { wireObject } from '../../wire/fields.ts'

const count = Type.Integer({ minimum: 0 })

/** Token counts of chat completions and completions. */
export const UsageSchema = wireObject({
	prompt_tokens: count,
	completion_tokens: count,
	total_tokens: count,
	prompt_tokens_details: Type.Optional(wireObject({ cached_tokens: count })),
	completion_tokens_details: Type.Optional(wireObject({ reasoning_tokens: count })),
})
export type Usage = Static<typeof UsageSchema>
