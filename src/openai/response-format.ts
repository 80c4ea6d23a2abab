/** What a request asks its text to be, in whatever spelling → a constraint. */
import { JSON_DEPTH_MAX, nestsDeeperThan } from '../lib/json-scan.ts'
import {
	type Constraint,
	type ConstraintOptions,
	type ConstraintSpec,
	compileConstraint,
} from '../text/constraint/constraint.ts'
import { ConstraintError } from '../text/constraint/constraint-error.ts'
import type { Tokenizer } from '../tokenizer/tokenizer.ts'
import {
	invalidValue,
	missingParameter,
	unenforceableFormat,
	unsupportedParameter,
} from '../wire/errors.ts'
import { isEmpty, refuseUnlessEmpty } from '../wire/refusals.ts'
import type { ConstraintFields, ResponseFormat, TextFormat } from './schemas/format.ts'

/** A format and the field that asks for it. */
interface AskedFormat {
	readonly param: string
	readonly spec: ConstraintSpec
}

export interface ConstraintContext extends ConstraintOptions {
	readonly tokenizer: Tokenizer
	/** Stop strings could cut a text anywhere, so they do not go with a format. */
	readonly stop: readonly string[]
}

/** Of chats and completions; null = free text. Throws ApiError 400. */
export async function toConstraint(
	body: ConstraintFields & { readonly response_format?: ResponseFormat },
	context: ConstraintContext,
): Promise<Constraint | null> {
	return await compile([...responseFormatOf(body.response_format), ...askedBy(body)], context)
}

/** Of /v1/responses, which takes the field of chats as well. */
export async function toResponsesConstraint(
	body: ConstraintFields & {
		readonly text?: { readonly format?: TextFormat }
		readonly response_format?: ResponseFormat
	},
	context: ConstraintContext,
): Promise<Constraint | null> {
	const format = body.text?.format
	const asked = formatOf(format?.type, format?.schema, 'text.format', 'text.format.schema')
	return await compile(
		[...asked, ...responseFormatOf(body.response_format), ...askedBy(body)],
		context,
	)
}

async function compile(
	[asked, other]: readonly AskedFormat[],
	{ tokenizer, stop, ...options }: ConstraintContext,
): Promise<Constraint | null> {
	if (asked === undefined) return null
	const { param, spec } = asked
	if (other !== undefined)
		throw unsupportedParameter(other.param, `It does not go with '${param}'.`)
	if (stop.length > 0) throw unsupportedParameter('stop', `It does not go with '${param}'.`)
	try {
		return await compileConstraint(spec, tokenizer, options)
	} catch (error) {
		if (!(error instanceof ConstraintError)) throw error
		throw unenforceableFormat(param, error.code, error.message)
	}
}

function responseFormatOf(format: ResponseFormat | undefined): AskedFormat[] {
	const param = 'response_format'
	const schema = format?.json_schema?.schema ?? format?.schema
	return formatOf(format?.type, schema, param, `${param}.json_schema.schema`)
}

/** `needed`: where the schema has to be. */
function formatOf(
	type: 'text' | 'json_object' | 'json_schema' | undefined,
	schema: unknown,
	param: string,
	needed: string,
): AskedFormat[] {
	if (type === undefined || type === 'text') return []
	if (type === 'json_schema') {
		if (schema === undefined || schema === null) throw missingParameter(needed)
		return [{ param, spec: { kind: 'schema', schema } }]
	}
	return [{ param, spec: { kind: 'schema', schema: isEmpty(schema) ? ANY_OBJECT : schema } }]
}

const ANY_OBJECT = { type: 'object' }

/** What the fields of other servers ask for. Throws for those that this one does not know how to honour. */
function askedBy(body: ConstraintFields): AskedFormat[] {
	const { structured_outputs: outputs = {} } = body
	for (const name of REFUSED) refuseUnlessEmpty(name, body[name])
	refuseUnlessEmpty('structured_outputs.grammar', outputs.grammar)
	refuseUnlessEmpty('structured_outputs.structural_tag', outputs.structural_tag)
	return [
		...schemaOf('json_schema', body.json_schema),
		...schemaOf('format', body.format === 'json' ? ANY_OBJECT : body.format),
		...schemaOf('guided_json', body.guided_json),
		...schemaOf('structured_outputs.json', outputs.json),
		...schemaOf('structured_outputs.json_object', outputs.json_object ? ANY_OBJECT : undefined),
		...choiceOf('guided_choice', body.guided_choice),
		...choiceOf('structured_outputs.choice', outputs.choice),
		...regexOf('guided_regex', body.guided_regex),
		...regexOf('regex', body.regex),
		...regexOf('structured_outputs.regex', outputs.regex),
	]
}

/** Fields without which the answer would be another one. */
const REFUSED = [
	'guided_grammar',
	'guided_whitespace_pattern',
	'structural_tag',
	'grammar',
	'ebnf',
	'bad_words',
	'use_beam_search',
	'allowed_token_ids',
] as const

function schemaOf(param: string, given: unknown): AskedFormat[] {
	const schema = typeof given === 'string' ? parseSchema(param, given) : given
	return isEmpty(schema) ? [] : [{ param, spec: { kind: 'schema', schema } }]
}

/** Some clients send the schema as JSON text. */
function parseSchema(param: string, text: string): unknown {
	if (text.trim() === '') return undefined
	try {
		if (!nestsDeeperThan(text, JSON_DEPTH_MAX)) return JSON.parse(text)
	} catch {
		// Told below.
	}
	throw invalidValue(param, 'a JSON Schema', text)
}

function choiceOf(param: string, choices: readonly string[] = []): AskedFormat[] {
	return choices.length === 0 ? [] : [{ param, spec: { kind: 'choice', choices } }]
}

function regexOf(param: string, pattern = ''): AskedFormat[] {
	return pattern === '' ? [] : [{ param, spec: { kind: 'regex', pattern } }]
}
