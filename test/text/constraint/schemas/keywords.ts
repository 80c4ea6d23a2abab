/** Schemas for keywords that pydantic and zod seldom write. */
export const KEYWORDS: Readonly<Record<string, unknown>> = {
	'allOf of objects': {
		allOf: [
			{ properties: { a: { type: 'integer' } }, required: ['a'] },
			{ properties: { a: { minimum: 5 }, b: { type: 'string' } } },
		],
		type: 'object',
	},
	'$ref beside keywords': {
		$defs: { short: { type: 'string', maxLength: 5 } },
		$ref: '#/$defs/short',
		minLength: 3,
		pattern: '^[ab]*$',
	},
	'anyOf beside keywords': {
		type: 'object',
		properties: { a: { type: 'integer' }, b: { type: 'integer' } },
		anyOf: [{ required: ['a'] }, { required: ['b'] }],
	},
	'oneOf of schemas that overlap': {
		oneOf: [
			{ type: 'integer', minimum: 5 },
			{ type: 'integer', maximum: 10 },
		],
	},
	'not a constant': { type: 'string', not: { enum: ['a', 'the '] }, maxLength: 6 },
	'not a pattern': { type: 'string', not: { pattern: 'b' } },
	'not a type': { not: { type: ['object', 'array', 'string'] } },
	'not a number': { type: 'integer', minimum: 0, maximum: 9, not: { enum: [3, 7] } },
	'not a property': { type: 'object', properties: { a: {} }, not: { required: ['a'] } },
	'if, then and else': {
		type: 'object',
		properties: { kind: { enum: ['a', 'b'] }, n: { type: 'integer' }, s: { type: 'string' } },
		required: ['kind'],
		if: { properties: { kind: { const: 'a' } }, required: ['kind'] },
		// biome-ignore lint/suspicious/noThenProperty: the keyword's name.
		then: { required: ['n'] },
		else: { required: ['s'] },
	},
	dependentRequired: {
		type: 'object',
		properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } },
		dependentRequired: { a: ['b'], b: ['c'] },
	},
	dependentSchemas: {
		type: 'object',
		properties: { a: { type: 'null' }, b: {} },
		dependentSchemas: { a: { properties: { b: { type: 'boolean' } }, required: ['b'] } },
	},
	patternProperties: {
		type: 'object',
		patternProperties: { '^n_': { type: 'integer' }, '^s_': { type: 'string' } },
		additionalProperties: { type: 'null' },
	},
	'patternProperties alone': {
		type: 'object',
		patternProperties: { '^[a-c]$': { type: 'boolean' } },
		additionalProperties: false,
		minProperties: 1,
	},
	propertyNames: { type: 'object', propertyNames: { pattern: '^[a-z]+$', maxLength: 4 } },
	'minProperties and maxProperties': {
		type: 'object',
		properties: { a: { type: 'null' }, b: { type: 'null' }, c: { type: 'null' } },
		minProperties: 2,
		maxProperties: 2,
	},
	'uniqueItems of constants': {
		items: { enum: [1, 'a', null, [2]] },
		uniqueItems: true,
		minItems: 2,
	},
	prefixItems: {
		prefixItems: [{ type: 'null' }, { const: 1 }],
		items: { type: 'boolean' },
		minItems: 3,
	},
	'multipleOf beside bounds': { type: 'number', multipleOf: 0.25, minimum: -1, maximum: 1 },
	'multiples of two numbers': { allOf: [{ type: 'integer', multipleOf: 4 }, { multipleOf: 6 }] },
	'enum beside everything': {
		enum: ['a', 'abc', 1, 20, null, { a: 1 }],
		minLength: 2,
		maximum: 10,
		not: { type: 'null' },
	},
	'pattern with look-ahead': { type: 'string', pattern: '^(?=.*\\d)(?=.*[a-z])[a-z\\d]{3,6}$' },
	'pattern with escapes': { type: 'string', pattern: '^["\\\\\\n\\t]{2}$' },
	'pattern and a length': { type: 'string', pattern: '^(?:ab)*$', minLength: 3, maxLength: 9 },
	'format and a length': { type: 'string', format: 'uri', maxLength: 2083 },
	'format alone': { format: 'date' },
	'unevaluatedProperties alone': {
		properties: { a: { type: 'null' } },
		unevaluatedProperties: false,
	},
	annotations: {
		type: 'object',
		propertyNames: { type: 'string' },
		minProperties: 0,
		'x-order': 1,
		json_schema_extra: {},
		additionalProperties: {
			type: 'array',
			uniqueItems: false,
			items: { type: 'null', nullable: true },
		},
	},
}
