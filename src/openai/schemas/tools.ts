/** Tools: what requests offer and choose, and the calls of answers. */
import { type Static, Type } from '@sinclair/typebox'
import { named, oneOf, optional, wireObject } from '../../wire/fields.ts'

/** Not checked further unless a tool must be called: agents send all of theirs with every request. */
export const toolsField = optional(
	Type.Array(Type.Unknown(), {
		description:
			'Functions that the model may call. Models whose own chat template knows tools read them, and calls that ' +
			'they write are told as such. With a `tool_choice` that wants calls any model makes some, with arguments ' +
			'that are held to the schema in `parameters`.',
	}),
)

export const parallelToolCallsField = optional(
	Type.Boolean({
		default: false,
		description: 'An answer may have several calls; otherwise it has one.',
	}),
)

const choiceWord = oneOf(['none', 'auto', 'required'], { unsupported: true })
const choiceDescription =
	'`required` or a function: the answer consists of calls whose arguments fit. `auto`: it is text, and calls ' +
	'where the model writes some. `none`: it is text.'
const mode = oneOf(['auto', 'required'])

const NamedFunction = named(
	'NamedFunction',
	wireObject({
		type: oneOf(['function'], { unsupported: true }),
		function: wireObject({ name: Type.String() }),
	}),
)

/** `tool_choice` of chat completions. */
export const ChatToolChoice = named(
	'ChatToolChoice',
	Type.Union(
		[
			choiceWord,
			NamedFunction,
			wireObject({
				type: oneOf(['allowed_tools'], { unsupported: true }),
				allowed_tools: named(
					'AllowedTools',
					wireObject({ mode, tools: Type.Array(NamedFunction, { minItems: 1 }) }),
				),
			}),
		],
		{ description: choiceDescription },
	),
)
export type ChatToolChoice = Static<typeof ChatToolChoice>

const FlatFunction = named(
	'FlatFunction',
	wireObject({
		type: oneOf(['function'], { unsupported: true }),
		name: Type.String(),
	}),
)

/** `tool_choice` of responses. */
export const ResponseToolChoice = named(
	'ResponseToolChoice',
	Type.Union(
		[
			choiceWord,
			FlatFunction,
			wireObject({
				type: oneOf(['allowed_tools'], { unsupported: true }),
				mode,
				tools: Type.Array(FlatFunction, { minItems: 1 }),
			}),
		],
		{ description: choiceDescription },
	),
)
export type ResponseToolChoice = Static<typeof ResponseToolChoice>

const CalledFunction = named(
	'CalledFunction',
	wireObject({
		name: Type.String(),
		arguments: Type.String({ description: 'JSON, cut off where `finish_reason` is `length`.' }),
	}),
)

/** A call of a chat message. */
export const ToolCall = named(
	'ToolCall',
	wireObject({
		id: Type.String({ example: 'call_f018175cb9a64d0c' }),
		type: oneOf(['function']),
		function: CalledFunction,
	}),
)
export type ToolCall = Static<typeof ToolCall>

/** A piece of a call of a streamed chat message. */
export const ToolCallDelta = named(
	'ToolCallDelta',
	wireObject({
		index: Type.Integer({ minimum: 0 }),
		id: Type.Optional(Type.String()),
		type: Type.Optional(oneOf(['function'])),
		function: wireObject({ name: Type.Optional(Type.String()), arguments: Type.String() }),
	}),
)
export type ToolCallDelta = Static<typeof ToolCallDelta>

/** A call among the output of a response. */
export const FunctionCallItem = named(
	'FunctionCallItem',
	wireObject({
		id: Type.String({ example: 'fc_f018175cb9a64d0c' }),
		type: oneOf(['function_call']),
		status: oneOf(['completed', 'incomplete', 'in_progress']),
		call_id: Type.String({ example: 'call_f018175cb9a64d0c' }),
		...CalledFunction.properties,
	}),
)
export type FunctionCallItem = Static<typeof FunctionCallItem>
