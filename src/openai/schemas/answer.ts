/** What the answers of chat completions and of completions have in common. */
import { type Static, Type } from '@sinclair/typebox'
import { named, oneOf, wireObject } from '../../wire/fields.ts'

/** The first fields of an answer or of each chunk of one. */
export function answerHead<const T extends string>(object: T, exampleId: string) {
	return {
		id: Type.String({ example: exampleId }),
		object: oneOf([object]),
		created: Type.Integer({ description: 'Unix seconds.' }),
		model: Type.String({ description: 'The model that answered.' }),
		system_fingerprint: Type.String(),
	}
}

const count = Type.Integer({ minimum: 0 })

/** Token counts. */
export const Usage = named(
	'Usage',
	wireObject({
		prompt_tokens: count,
		completion_tokens: count,
		total_tokens: count,
		prompt_tokens_details: wireObject({ cached_tokens: count }),
		completion_tokens_details: wireObject({ reasoning_tokens: count }),
	}),
)
export type Usage = Static<typeof Usage>
