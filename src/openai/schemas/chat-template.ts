/** How a conversation becomes a prompt, in requests of vLLM's kind. */
import { type Static, Type } from '@sinclair/typebox'
import { named, optional, refused } from '../../wire/fields.ts'

/** Variables that a request may give to a model's own template. */
const TemplateVariables = named(
	'ChatTemplateVariables',
	Type.Object(
		{
			enable_thinking: optional(Type.Boolean()),
			thinking: optional(Type.Boolean()),
			preserve_thinking: optional(Type.Boolean()),
			reasoning_effort: optional(Type.String()),
			date_string: optional(Type.String()),
			tools_in_user_message: optional(Type.Boolean()),
			documents: optional(Type.Array(Type.Unknown())),
		},
		{
			additionalProperties: false,
			description:
				"Variables of the model's own chat template; others than these are refused. Models without a " +
				'template ignore them.',
		},
	),
)
export type TemplateVariables = Static<typeof TemplateVariables>

export const chatTemplateFields = {
	add_generation_prompt: optional(
		Type.Boolean({
			description:
				'End the prompt with what stands before a reply. Default: true, but for a last message that is continued.',
		}),
	),
	continue_final_message: optional(
		Type.Boolean({
			description:
				"Let the reply continue the last message. Default: where that is the assistant's and has content.",
		}),
	),
	chat_template_kwargs: optional(TemplateVariables),
	chat_template: refused("The model's own template is used."),
}
