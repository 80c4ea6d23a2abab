/** Which functions a request forces the model to call. Both endpoints differ in the shape only. */
import { isRecord } from '../lib/json.ts'
import { ownTemplate } from '../text/chat-prompt.ts'
import {
	type CallableFunction,
	type Constraint,
	type ConstraintOptions,
	compileConstraint,
} from '../text/constraint/constraint.ts'
import { ConstraintError } from '../text/constraint/constraint-error.ts'
import type { Prompt } from '../text/prompt.ts'
import { type CallFormat, callFormatOf, callMark } from '../text/tool-call-parser.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import { invalidType, invalidValue, unenforceableFormat } from '../wire/errors.ts'
import { parallelCallsMax, toolNameLengthMax } from './limits.ts'
import type { ChatToolChoice, ResponseToolChoice } from './schemas/tools.ts'

/** Calls that an answer must consist of. */
export interface ForcedCalls {
	readonly functions: readonly CallableFunction[]
	/** Most calls of one answer; there is at least one. */
	readonly countMax: number
	/** How the model's own template writes calls; null where that is not known. */
	readonly format: CallFormat | null
}

/** The fields about tools, as either endpoint has them. */
export interface ToolFields {
	readonly tools?: readonly unknown[]
	readonly tool_choice?: ChatToolChoice | ResponseToolChoice
	readonly parallel_tool_calls?: boolean
}

/** Whether the answer must consist of calls. */
export function forcesCalls({ tool_choice: choice = 'auto' }: ToolFields): boolean {
	if (typeof choice === 'string') return choice === 'required'
	if ('allowed_tools' in choice) return choice.allowed_tools.mode === 'required'
	return 'mode' in choice ? choice.mode === 'required' : true
}

/** The calls that a request forces; null = none. Throws ApiError 400. */
export function toForcedCalls(fields: ToolFields, tokenizer: Tokenizer): ForcedCalls | null {
	if (!forcesCalls(fields)) return null
	const offered = (fields.tools ?? []).flatMap(toFunctions)
	if (offered.length === 0) {
		throw invalidValue('tools', "functions, of which 'tool_choice' wants one called", fields.tools)
	}
	const names = chosenNames(fields.tool_choice)
	for (const name of names ?? []) {
		if (offered.every((each) => each.name !== name)) {
			throw invalidValue('tool_choice', 'the name of a function among the tools', name)
		}
	}
	const functions = names === null ? offered : offered.filter(({ name }) => names.includes(name))
	const isNamed = typeof fields.tool_choice === 'object' && fields.tool_choice.type === 'function'
	const mayBeSeveral = !isNamed && fields.parallel_tool_calls === true
	const template = ownTemplate(tokenizer)
	const format = template && callFormatOf(template.toolText ?? template.text)
	// Llama's format has no place for a second one.
	const countMax = mayBeSeveral && format !== 'object' ? parallelCallsMax : 1
	return { functions, countMax, format }
}

/** A prompt whose reply begins with a call: what the template writes before calls stands at its end. */
export function withCallMark(
	prompt: Prompt,
	calls: ForcedCalls | null,
	tokenizer: Tokenizer,
): Prompt {
	const mark = calls === null || calls.format === null ? '' : callMark(calls.format)
	if (mark === '') return prompt
	const id = tokenizer.specialTokenId(mark)
	const ids = id === undefined ? tokenizer.encode(mark) : [id]
	return { ...prompt, tokenIds: [...prompt.tokenIds, ...ids] }
}

/** What the text of an answer of calls is held to. Throws ApiError 400 for schemas that it cannot be. */
export async function toCallConstraint(
	calls: ForcedCalls,
	tokenizer: Tokenizer,
	options: ConstraintOptions,
): Promise<Constraint> {
	try {
		return await compileConstraint({ kind: 'calls', ...calls }, tokenizer, options)
	} catch (error) {
		if (!(error instanceof ConstraintError)) throw error
		throw unenforceableFormat('tools', error.code, error.message)
	}
}

/** Names that a choice limits the calls to; null = any. */
function chosenNames(choice: ToolFields['tool_choice']): readonly string[] | null {
	if (choice === undefined || typeof choice === 'string') return null
	if ('function' in choice) return [choice.function.name]
	if ('name' in choice) return [choice.name]
	const tools = 'allowed_tools' in choice ? choice.allowed_tools.tools : choice.tools
	return tools.map((tool) => ('function' in tool ? tool.function.name : tool.name))
}

/** The function of an entry of `tools`, in either shape; none for tools of other kinds. */
function toFunctions(tool: unknown, index: number): CallableFunction[] {
	const param = `tools[${index}]`
	if (!isRecord(tool)) throw invalidType(param, 'an object', tool)
	if (tool['type'] !== 'function') return []
	const place = isRecord(tool['function']) ? `${param}.function` : param
	const { name, parameters } = isRecord(tool['function']) ? tool['function'] : tool
	if (typeof name !== 'string') throw invalidType(`${place}.name`, 'a string', name)
	if (name === '' || name.length > toolNameLengthMax) {
		throw invalidValue(`${place}.name`, `1 to ${toolNameLengthMax} characters`, name)
	}
	if (parameters === undefined || parameters === null) return [{ name, parameters: noArguments }]
	if (!isRecord(parameters)) throw invalidType(`${place}.parameters`, 'an object', parameters)
	const { type = 'object' } = parameters
	if (type !== 'object' && !(Array.isArray(type) && type.includes('object'))) {
		throw invalidValue(`${place}.parameters.type`, '"object"', type)
	}
	// A schema that leaves the type open would allow arguments that are no object.
	return [{ name, parameters: { ...parameters, type: 'object' } }]
}

/** What a function takes that declares no parameters. */
const noArguments = { type: 'object', properties: {}, additionalProperties: false }
