/**
 * From a TypeBox schema's complaint to the one error object of the API: the field, what it takes
 * and what came. Also what "given" means on the wire: null is the same as absent.
 */
import { Kind, type TSchema } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler'
import { type ValueError, ValueErrorType } from '@sinclair/typebox/errors'
import { describeValue } from '../lib/json.ts'
import { codePointCount } from '../text/code-points.ts'
import {
	type ApiError,
	aboveMax,
	arrayLengthOutOfRange,
	belowMin,
	invalidType,
	invalidValue,
	missingParameter,
	type NumberKind,
	unsupportedParameter,
	unsupportedValue,
} from '../wire/errors.ts'
import { BOUNDED_TEXT } from '../wire/fields.ts'

/**
 * A check that throws the ApiError for what is wrong with a value, if anything is. Compiles the
 * schema when first used: compiling all of them would take a good part of the server's start.
 */
export function validator(schema: TSchema): (value: unknown) => void {
	let checker: TypeCheck<TSchema> | null = null
	return (value) => {
		checker ??= TypeCompiler.Compile(schema)
		if (checker.Check(value)) return
		throw faultIn(checker.Errors(value)) ?? invalidType('body', describe(schema), value)
	}
}

function faultIn(complaints: Iterable<ValueError>): ApiError | undefined {
	const first = takeFirst(complaints)
	const chosen = first.find(({ schema }) => schema['x-unsupported'] === true) ?? first[0]
	return chosen && faultOf(chosen)
}

/** Complaints that are looked through for the one that says most. */
const COMPLAINTS_MAX = 16

function faultOf(error: ValueError): ApiError {
	const { schema, value } = error
	const param = paramOf(error.path)
	switch (error.type) {
		case ValueErrorType.ObjectRequiredProperty:
			return missingParameter(param)
		case ValueErrorType.Union:
			return faultOfUnion(error)
		case ValueErrorType.IntegerMinimum:
		case ValueErrorType.NumberMinimum:
			return belowMin(param, schema['minimum'], value, numberKind(schema))
		case ValueErrorType.IntegerMaximum:
		case ValueErrorType.NumberMaximum:
			return aboveMax(param, schema['maximum'], value, numberKind(schema))
		case ValueErrorType.ArrayMinItems:
			return arrayLengthOutOfRange(param, 'min', schema['minItems'], (value as unknown[]).length)
		case ValueErrorType.ArrayMaxItems:
			return arrayLengthOutOfRange(param, 'max', schema['maxItems'], (value as unknown[]).length)
		case ValueErrorType.StringPattern:
			return faultOfPattern(param, schema, value)
		case ValueErrorType.StringMinLength:
			return invalidValue(param, 'a text that is not empty', value)
		case ValueErrorType.Kind: {
			if (typeof value !== 'string') break
			const expected = `at most ${schema['maxLength']} characters`
			return invalidValue(param, expected, codePointCount(value))
		}
		case ValueErrorType.ObjectMaxProperties:
			return invalidValue(param, `at most ${schema['maxProperties']} entries`, value)
		case ValueErrorType.ObjectAdditionalProperties: {
			const known = Object.keys(schema['properties']).join(', ')
			return unsupportedParameter(param, `Known are ${known}.`)
		}
		case ValueErrorType.Never:
			return unsupportedParameter(param, schema.description ?? 'This server cannot do it.')
	}
	return schema['x-unsupported'] === true
		? unsupportedFault(param, schema, value)
		: invalidType(param, describe(schema), value)
}

function unsupportedFault(param: string, schema: TSchema, value: unknown): ApiError {
	const instead = schema['x-instead'] === undefined ? '' : `; use ${schema['x-instead']}`
	const problem = `expected ${choicesOf(schema)}, got ${describeValue(value)}${instead}`
	return unsupportedValue(param, problem)
}

/**
 * Removes from a body every declared field whose value means "not given", in place and at every
 * declared depth: null, unless `x-null` says what it stands for, and `x-absent`. Values whose shape
 * is not declared (a JSON schema, metadata) stay as they came.
 */
export function dropAbsent(schema: TSchema, value: unknown): void {
	if (typeof value !== 'object' || value === null) return
	if (schema[Kind] === 'Union') {
		for (const variant of schema['anyOf'] as TSchema[]) dropAbsent(variant, value)
	} else if (schema[Kind] === 'Array' && Array.isArray(value)) {
		const items: TSchema = schema['items']
		if (!structured.has(items[Kind])) return
		for (const item of value) dropAbsent(items, item)
	} else if (schema[Kind] === 'Object' && !Array.isArray(value)) {
		const fields = value as Record<string, unknown>
		for (const [name, field] of Object.entries(schema['properties'] as Record<string, TSchema>)) {
			if (!Object.hasOwn(fields, name)) continue
			if (fields[name] === null && 'x-null' in field) fields[name] = field['x-null']
			else if (fields[name] === null || fields[name] === field['x-absent']) delete fields[name]
			else dropAbsent(field, fields[name])
		}
	}
}

const structured = new Set(['Union', 'Array', 'Object'])

/** Complaints of the variant that the client most likely meant, else that none fits. */
function faultOfUnion(error: ValueError): ApiError {
	const variants = error.errors.map(takeFirst)
	const choice = faultOfChoices(variants)
	if (choice !== undefined) return choice
	const rightTypes = variants.filter(([first]) => first && !isWrongTypeAt(first, error.path))
	const undisputed = rightTypes.filter((complaints) => !complaints.some(isAboutChoice))
	const complete = undisputed.filter((c) => !c.some((it) => isMissingAt(it, error.path)))
	const candidates = [complete, undisputed, rightTypes].find(({ length }) => length > 0) ?? []
	const likeliest =
		candidates.find(([first]) => first && hasJsonTypeOf(first)) ??
		candidates.toSorted(([a], [b]) => depth(b) - depth(a))[0]
	const fault = likeliest && faultIn(likeliest)
	return fault ?? invalidType(paramOf(error.path), describe(error.schema), error.value)
}

/** The fault when a field's value, such as a role, selects none of the variants. */
function faultOfChoices(variants: readonly (readonly ValueError[])[]): ApiError | undefined {
	const complaints = variants.map((ofVariant) => ofVariant.find(isAboutChoice))
	const [first] = complaints
	if (first === undefined || complaints.some((c) => c?.path !== first.path)) return undefined
	const choices = complaints.flatMap((complaint) => complaint?.schema['enum'] as string[])
	const schema = { ...first.schema, enum: [...new Set(choices)] }
	return faultOfPattern(paramOf(first.path), schema, first.value)
}

function isAboutChoice({ type, schema }: ValueError): boolean {
	return type === ValueErrorType.StringPattern && schema['enum'] !== undefined
}

function depth(error: ValueError | undefined): number {
	return error?.path.split('/').length ?? 0
}

function isWrongTypeAt(error: ValueError, path: string): boolean {
	return error.path === path && isWrongType(error)
}

function isWrongType({ type, value }: ValueError): boolean {
	return type === ValueErrorType.Kind ? typeof value !== 'string' : typeErrors.has(type)
}

/** The complaint is about a field that the object at `path` does not have at all. */
function isMissingAt({ type, path: field }: ValueError, path: string): boolean {
	return type === ValueErrorType.ObjectRequiredProperty && !field.includes('/', path.length + 1)
}

/** The complaint is not about the JSON type of the value, integers being numbers. */
function hasJsonTypeOf(error: ValueError): boolean {
	if (error.type === ValueErrorType.Integer) return typeof error.value === 'number'
	return !isWrongType(error)
}

const typeErrors = new Set([
	ValueErrorType.String,
	ValueErrorType.Array,
	ValueErrorType.Object,
	ValueErrorType.Integer,
	ValueErrorType.Number,
	ValueErrorType.Boolean,
])

function faultOfPattern(param: string, schema: TSchema, value: unknown): ApiError {
	if (schema['x-unsupported'] === true) return unsupportedFault(param, schema, value)
	return invalidValue(param, choicesOf(schema), value)
}

function choicesOf(schema: TSchema): string {
	const choices = ((schema['enum'] as unknown[] | undefined) ?? []).filter((c) => c !== null)
	if (choices.length === 0) return describe(schema)
	return choices.length === 1 ? `"${choices[0]}"` : `one of ${choices.join(', ')}`
}

/** A JSON pointer as clients of this API know it: `/messages/0/role` → `messages[0].role`. */
function paramOf(pointer: string): string {
	let param = ''
	for (const part of pointer.split('/').slice(1)) {
		if (/^\d+$/.test(part)) param += `[${part}]`
		else param += (param === '' ? '' : '.') + part.replaceAll('~1', '/').replaceAll('~0', '~')
	}
	return param === '' ? 'body' : param
}

function describe(schema: TSchema): string {
	switch (schema[Kind]) {
		case 'Union':
			return [...new Set((schema['anyOf'] as TSchema[]).map(describe))].join(' or ')
		case 'Array':
			return `an array of ${describe(schema['items']).replace(/^an? (\w+)/, '$1s')}`
		case 'String':
			return schema['x-expected'] ?? 'a string'
		case BOUNDED_TEXT:
			return 'a string'
		case 'Object':
			return 'an object'
		case 'Integer':
			return 'an integer'
		case 'Number':
			return 'a number'
		case 'Boolean':
			return 'a boolean'
		default:
			return 'another value'
	}
}

function numberKind(schema: TSchema): NumberKind {
	return schema[Kind] === 'Integer' ? 'integer' : 'decimal'
}

/** The first complaints; of an array that is too long its items are not looked at. */
function takeFirst(complaints: Iterable<ValueError>): ValueError[] {
	const taken: ValueError[] = []
	for (const complaint of complaints) {
		taken.push(complaint)
		const isDone = complaint.type === ValueErrorType.ArrayMaxItems
		if (isDone || taken.length === COMPLAINTS_MAX) break
	}
	return taken
}
